/** One node of a database server. Embedded: a Postgres process; RDS: the endpoint, which follows the writer. */
export interface DatabaseNode {
  readonly host: string;
  readonly port: number;
}

/** Where a server is reached: a list of nodes, of which one can be written. A pool finds out which. */
export interface DatabaseEndpoint {
  readonly nodes: readonly DatabaseNode[];
  /** PEM of the authority that the server's certificate must come from; absent on loopback. */
  readonly certificateAuthority?: string;
}

/** Someone who may log in to a server. */
export interface DatabaseCredentials {
  readonly user: string;
  readonly password: string;
}

export interface DatabaseNodeStatus extends DatabaseNode {
  readonly zone: string;
  /** Operating-system process, embedded only. */
  readonly pid?: number;
  readonly status: "starting" | "running" | "down";
}

export interface DatabaseServerStatus {
  readonly name: string;
  /** `degraded`: it serves, without a standby in sync. */
  readonly status: "creating" | "available" | "degraded" | "down" | "deleting";
  readonly primary: DatabaseNodeStatus | null;
  /**
   * Bytes of log that it has not got yet; `null` when nobody knows. On RDS it can't be connected to: its host is the
   * primary's.
   */
  readonly standby: (DatabaseNodeStatus & { readonly lagBytes: number | null }) | null;
}

/**
 * A region's Postgres servers: each a primary and a synchronous standby in two zones, started, watched and healed
 * by the engine. Databases, schemas and roles inside a server are plain SQL and the same everywhere, so not here.
 */
export interface Databases {
  /**
   * For so many days the engine's own backups of whole servers hold what was deleted on them; absent where it makes none.
   * They go with their server.
   */
  readonly keepsDeletedDays?: number;
  /**
   * Makes the server, or returns when it is there already and available; safe to repeat. Takes seconds embedded, and on
   * RDS 5 to 15 minutes. `zones` are two of the region's; RDS chooses two by itself.
   * @throws E_ARGUMENT for a name that no server can have, E_DISK_FULL, E_QUOTA, E_AWS_QUOTA, E_AWS_CAPACITY, E_CONFLICT
   * when the name is taken by something else, E_DATABASE_UNAVAILABLE when it can't become available
   */
  create(server: {
    readonly name: string;
    readonly zones: readonly [string, string];
    readonly size?: "shared" | "dedicated";
  }): Promise<void>;
  /** @throws E_NOT_FOUND */
  endpoint(name: string): Promise<DatabaseEndpoint>;
  /** The server's administrator (`rds_superuser` on RDS). @throws E_NOT_FOUND */
  administrator(name: string): Promise<DatabaseCredentials>;
  /** `undefined` when there is no such server. */
  describe(name: string): Promise<DatabaseServerStatus | undefined>;
  list(): Promise<readonly DatabaseServerStatus[]>;
  /**
   * Makes the standby the primary on purpose and resolves when it takes writes: what is being committed is finished or
   * failed, no acknowledged write is lost, and the old primary becomes the standby. Seconds embedded, a minute on RDS.
   * @throws E_NOT_FOUND, E_STANDBY_BEHIND when no standby has every acknowledged write
   */
  failOver(name: string): Promise<void>;
  /** The server and all its data are gone afterwards; deleting what is not there is no error. */
  delete(name: string): Promise<void>;
}
