/** What the connections of an instance are doing. */
export interface ConnectionStatistics {
  readonly budget: number;
  readonly open: number;
  readonly inUse: number;
  readonly idle: number;
  readonly waiting: number;
  /** Since the start. */
  readonly opened: number;
  /** Closed to make room for another login's. */
  readonly evicted: number;
}
