/** Why a backup was taken. */
export const backupReasons = ["scheduled", "manual", "before-restore", "before-import"] as const;

export type BackupReason = (typeof backupReasons)[number];

/** True for what a restore or import has replaced: the tenant went on from another state. */
export function isStateBefore(reason: BackupReason): boolean {
  return reason === "before-restore" || reason === "before-import";
}

/** What is known of a whole backup; all but the last three lies beside its archive, too. */
export interface Backup {
  readonly id: string;
  readonly slug: string;
  /** Where it was taken. */
  readonly region: string;
  /** Tells a tenant from an earlier one that had its slug. */
  readonly tenantCreatedAt: Date;
  readonly reason: BackupReason;
  /** The moment that its rows are of. */
  readonly takenAt: Date;
  readonly schemaVersion: number;
  readonly rows: number;
  readonly files: number;
  /** Of what is stored. */
  readonly bytes: number;
  /** When the recovery region had its copy. */
  readonly copiedAt: Date | null;
  /** When a trial restore last gave back every row and file. */
  readonly verifiedAt: Date | null;
  /** Why the newest trial restore did not; null when it did, or there was none. */
  readonly failure: { readonly code: string; readonly message: string } | null;
}

/** The name of a backup that begins now: in the order of time, and readable. `entropy` makes it the only one. */
export function backupId(startedAt: Date, entropy: string): string {
  return `${startedAt.toISOString().slice(0, 19).replace(/[-:]/g, "")}z-${entropy}`.toLowerCase();
}
