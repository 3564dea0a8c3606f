import { fault, type RowhouseError } from "../../core/error.ts";
import type { Clock } from "../../ports/clock.ts";
import { type ConnectionFault, Upstream, type Upstreams } from "../proxy/upstream.ts";

/** A balancer that refused a connection is started again within so long, or a multiple of it. */
const awayMilliseconds = 50;
const sweepMilliseconds = 1000;

/** A region as the edge sees it: its one balancer, which may be away for a moment. */
export class RegionUpstream extends Upstream implements Upstreams {
  readonly #clock: Clock;
  readonly #stop = new AbortController();
  #awayUntil = Number.NEGATIVE_INFINITY;

  constructor(balancerUrl: string, clock: Clock) {
    super(new URL(balancerUrl).host);
    this.#clock = clock;
    void this.#sweep();
  }

  next(): Upstream | undefined {
    return this.#clock.elapsedMilliseconds() < this.#awayUntil ? undefined : this;
  }

  changed(milliseconds: number): Promise<void> {
    return this.#clock.sleep(Math.min(milliseconds, awayMilliseconds));
  }

  exhausted(): RowhouseError {
    return fault("E_REGION_UNAVAILABLE", "The region's balancer does not answer.", {
      remedy: "Try again in a few seconds.",
    });
  }

  override failed(fault: ConnectionFault): void {
    if (fault === "refused") this.#awayUntil = this.#clock.elapsedMilliseconds() + awayMilliseconds;
  }

  override close(): void {
    this.#stop.abort();
    this.#awayUntil = Number.POSITIVE_INFINITY;
    super.close();
  }

  async #sweep(): Promise<void> {
    while (!this.#stop.signal.aborted) {
      const now = this.#clock.elapsedMilliseconds();
      for (const exchange of [...this.inFlight]) exchange.expire(now);
      await this.#clock.sleep(sweepMilliseconds, this.#stop.signal).catch(() => {});
    }
  }
}
