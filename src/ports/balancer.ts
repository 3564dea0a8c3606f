export interface BalancerTarget {
  /** Instance id. */
  readonly id: string;
  /** `host:port`. */
  readonly address: string;
  readonly zone: string;
}

export interface BalancerTargetHealth extends BalancerTarget {
  /**
   * `initial`: registered and not yet found healthy. A target that gets no requests for a while because it is far
   * slower than the others is healthy still (as an anomalous one is on AWS), with a `reason`.
   */
  readonly state: "initial" | "healthy" | "unhealthy" | "draining";
  /** Why it gets no requests. */
  readonly reason?: string;
}

/** A region's balancer: spreads requests over the healthy of its targets, least outstanding first. */
export interface Balancer {
  /** Begins with the health checks (`GET /_rowhouse/health`); repeating it with another address replaces the target. */
  register(target: BalancerTarget): Promise<void>;
  /**
   * No new request from now on; those in flight get up to `drainSeconds` (default 30). Resolves when the target is
   * gone; deregistering what is not there is no error.
   */
  deregister(id: string, options?: { readonly drainSeconds?: number }): Promise<void>;
  targets(): Promise<readonly BalancerTargetHealth[]>;
  /** Where clients reach it: a URL, and the address or name that DNS answers with; `pid` embedded only. */
  describe(): Promise<{ readonly url: string; readonly address: string; readonly pid?: number }>;
}
