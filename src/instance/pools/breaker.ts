/**
 * How long a breaker stays open after the first failure, and at most: a failover takes some tenths of a second, and its
 * end is to be noticed; a probe is cheap.
 */
const shortestPauseMilliseconds = 50;
const longestPauseMilliseconds = 500;

/**
 * Keeps callers from waiting on a server that is down: after a failure to connect, everyone is refused at once
 * until a pause is over; then one caller probes, and its outcome decides for all. The pause doubles with each
 * failed probe. Pure: time comes in as a number.
 * Source: M. Nygard, "Release It!", circuit breaker.
 */
export class Breaker {
  #failures = 0;
  #openUntilMilliseconds = 0;
  #probing = false;

  /** `closed`: try. `probe`: one may try. `open`: refuse. */
  state(nowMilliseconds: number): "closed" | "probe" | "open" {
    if (this.#failures === 0) return "closed";
    return nowMilliseconds >= this.#openUntilMilliseconds && !this.#probing ? "probe" : "open";
  }

  /** Says that someone tries now. */
  begin(): void {
    if (this.#failures > 0) this.#probing = true;
  }

  succeeded(): void {
    this.#failures = 0;
    this.#probing = false;
  }

  failed(nowMilliseconds: number): void {
    // Those who had begun before the first failure tell nothing new.
    if (!this.#probing && nowMilliseconds < this.#openUntilMilliseconds) return;
    const pause = Math.min(
      longestPauseMilliseconds,
      shortestPauseMilliseconds * 2 ** Math.min(this.#failures, 10),
    );
    this.#failures++;
    this.#probing = false;
    this.#openUntilMilliseconds = nowMilliseconds + pause;
  }
}
