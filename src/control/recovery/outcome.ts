/** How a tenant came to its recovery region. */
export interface RecoveredTenant {
  readonly slug: string;
  /** Out of a standby of its server, or out of its newest backup. */
  readonly way: "standby" | "backup";
  /** ISO 8601: until when what it had was true; `null` when nobody can tell. */
  readonly arrivedUntil: string | null;
}

export interface FailedTenant {
  readonly slug: string;
  readonly error: string;
}

/** What a recovery region's controller did. */
export interface TakeOverReport {
  readonly tenants: readonly RecoveredTenant[];
  readonly failed: readonly FailedTenant[];
  /** Mail that had not been sent yet, and messages in queues, that came along; `null` where none could be read. */
  readonly mail: number | null;
  readonly messages: number | null;
}

/** What came of a region's failover. */
export interface FailOverOutcome {
  readonly region: string;
  readonly to: string;
  /** How many tenants are served again. */
  readonly tenants: number;
  /** What was lost at most of those that came from a standby; `null` when there were none. */
  readonly rpoSeconds: number | null;
  /** From the command to the last tenant's answer. */
  readonly rtoSeconds: number;
  readonly failed: readonly FailedTenant[];
  /** Those that came from a backup, each with what it lost at most. */
  readonly fromBackup: readonly { readonly slug: string; readonly rpoSeconds: number | null }[];
  readonly mail: number | null;
  readonly messages: number | null;
}

/** What came of the way back. */
export interface FailBackOutcome {
  readonly region: string;
  readonly from: string;
  /** How many tenants moved back. */
  readonly tenants: number;
  readonly failed: readonly FailedTenant[];
  readonly durationMs: number;
}
