/** One asynchronous copy of another region's database server. */
export interface ReplicaStatus {
  /** The region whose server it copies. */
  readonly source: string;
  /** That server's name there. */
  readonly server: string;
  /** `broken`: it follows no more and won't by itself, it is to be made anew. */
  readonly status: "creating" | "following" | "broken";
  /** How long ago what it has was true at its source, in seconds; `null` while nobody knows. */
  readonly lagSeconds: number | null;
}

/**
 * Asynchronous standbys, kept in one region, of the servers of the regions that it recovers. They can be read by
 * nobody; promoted, they become servers of this region. RDS calls them cross-region read replicas.
 */
export interface Replicas {
  /**
   * Makes a copy that follows the source's server, or returns when there is one already; safe to repeat. Takes seconds
   * embedded, and on RDS minutes.
   * @throws E_NOT_FOUND when the source has no such server, E_DATABASE_UNAVAILABLE, E_DISK_FULL, E_QUOTA
   */
  create(replica: { readonly source: string; readonly server: string }): Promise<void>;
  list(): Promise<readonly ReplicaStatus[]>;
  /**
   * Ends the following for good: the copy, with all that it has received, becomes the server `name` of this region and
   * takes writes, whether its source lives or not. Its standby in the second zone is built afterwards. Safe to repeat.
   * @throws E_NOT_FOUND when there is neither such a copy nor the server already
   */
  promote(replica: {
    readonly source: string;
    readonly server: string;
    readonly name: string;
    readonly zones: readonly [string, string];
  }): Promise<void>;
  /** Deleting what is not there is no error. */
  delete(replica: { readonly source: string; readonly server: string }): Promise<void>;
}
