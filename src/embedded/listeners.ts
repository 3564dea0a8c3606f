/** All ports of the embedded mode, from one base; `index` is a region's place in the config. */
export interface ListenerPlan {
  readonly edge: number;
  readonly api: number;
  readonly dns: number;
  /** Primary and standby of the directory. */
  readonly directory: readonly [number, number];
  readonly region: (index: number) => {
    readonly balancer: number;
    readonly controller: number;
    /** Inclusive ranges to take free ports from. */
    readonly databases: PortRange;
    readonly dedicatedDatabases: PortRange;
    /** Of replicas of other regions' servers, and of what they become. */
    readonly replicas: PortRange;
    readonly instances: PortRange;
  };
}

export interface PortRange {
  readonly first: number;
  readonly last: number;
}

/** The plan for a base port (default 8080): the documented ones, and the rest where nothing collides. */
export function planListeners(base: number): ListenerPlan {
  return {
    edge: base,
    api: base + 1,
    dns: base + 2,
    directory: [base + 20, base + 21],
    region: (index) => ({
      balancer: base + 10 + index,
      controller: base + 300 + index,
      databases: { first: base + 22 + index * 10, last: base + 31 + index * 10 },
      instances: { first: base + 120 + index * 20, last: base + 139 + index * 20 },
      dedicatedDatabases: { first: base + 400 + index * 200, last: base + 539 + index * 200 },
      replicas: { first: base + 540 + index * 200, last: base + 599 + index * 200 },
    }),
  };
}
