import { fault } from "../core/error.ts";
import { type TokenBucket, takeToken } from "../core/rate/token-bucket.ts";

const signupsPerMinute = 10;
const maximumAddresses = 10_000;

/**
 * How many sign-ups may come from one address: ten at once, and then one every six seconds. Loopback is not
 * counted: it is this machine's own user, or a proxy whose clients can't be told apart here.
 */
export class SignupLimit {
  readonly #buckets = new Map<string, TokenBucket>();
  readonly #elapsedMilliseconds: () => number;

  constructor(elapsedMilliseconds: () => number) {
    this.#elapsedMilliseconds = elapsedMilliseconds;
  }

  /** @throws E_RATE_LIMITED */
  take(address: string | undefined): void {
    if (address === undefined || isLoopback(address)) return;
    const nowMilliseconds = this.#elapsedMilliseconds();
    const limit = { perSecond: signupsPerMinute / 60, burstSeconds: 60, nowMilliseconds };
    const decision = takeToken(this.#buckets.get(address), limit);
    // Taken out and put in again, so that the one that goes when there are too many is the one not seen for longest.
    this.#buckets.delete(address);
    this.#buckets.set(address, decision.bucket);
    const [oldest] = this.#buckets.keys();
    if (this.#buckets.size > maximumAddresses && oldest !== undefined) this.#buckets.delete(oldest);
    if (decision.allowed) return;
    throw fault("E_RATE_LIMITED", "There were too many sign-ups from this address.", {
      remedy: "Try again in a minute.",
    });
  }
}

function isLoopback(address: string): boolean {
  return address === "::1" || /^(::ffff:)?127\./.test(address);
}
