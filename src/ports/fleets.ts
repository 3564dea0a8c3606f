/** A server's place: its fleet and zone. */
export interface LaunchInstance {
  readonly fleet: "app" | "worker";
  readonly zone: string;
  /** Chosen by the caller and written into the registry beforehand: the instance looks up there what to run. */
  readonly instanceId: string;
}

export interface FleetInstance {
  readonly id: string;
  readonly fleet: "app" | "worker";
  readonly zone: string;
  /** What the machine does; whether the program on it is well is the health check's to say. */
  readonly state: "pending" | "running" | "terminating" | "terminated";
  /** `host:port` once known. */
  readonly address?: string;
  /** Operating-system process, embedded only. */
  readonly pid?: number;
  readonly market: "on-demand" | "spot";
  readonly launchedAt: Date;
}

/** A region's servers. Which and how many there should be is decided above, in `core/fleet`. */
export interface Fleets {
  /** Idempotent by instance id, which is never used again. @throws E_QUOTA, E_DISK_FULL, E_AWS_QUOTA, E_AWS_CAPACITY */
  launch(instance: LaunchInstance): Promise<FleetInstance>;
  /** Terminated ones stay listed for a while, so that their end can be seen. */
  list(fleet?: "app" | "worker"): Promise<readonly FleetInstance[]>;
  /** Gives the program `graceSeconds` to finish what it does; terminating what is gone is no error. */
  terminate(instanceId: string, options?: { readonly graceSeconds?: number }): Promise<void>;
}
