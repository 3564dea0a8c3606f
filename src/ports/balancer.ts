export interface BalancerTarget {
  /** Instance id. */
  readonly id: string;
  /** `host:port`. */
  readonly address: string;
  readonly zone: string;
}

export interface BalancerTargetHealth extends BalancerTarget {
  /** `initial`: registered and not yet found healthy. */
  readonly state: "initial" | "healthy" | "unhealthy" | "draining";
  /** Why it is not healthy. */
  readonly reason?: string;
}

/** A region's balancer: spreads requests over the healthy of its targets, least outstanding first. */
export interface Balancer {
  /** Begins with the health checks (`GET /_rowhouse/health`); repeating it with another address replaces the target. */
  register(target: BalancerTarget): Promise<void>;
  /** No new request; those in flight get up to `drainSeconds` (default 30), then the target is gone. */
  deregister(id: string, options?: { readonly drainSeconds?: number }): Promise<void>;
  targets(): Promise<readonly BalancerTargetHealth[]>;
  /** Where clients reach it; `pid` embedded only. */
  describe(): Promise<{ readonly url: string; readonly address: string; readonly pid?: number }>;
}
