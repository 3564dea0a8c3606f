import type { Backup } from "../../core/backup/backup.ts";

/** A backup as operators see it; times are ISO 8601. */
export interface BackupDocument {
  readonly id: string;
  readonly slug: string;
  readonly region: string;
  readonly reason: string;
  /** The moment that its rows are of. */
  readonly takenAt: string;
  readonly schemaVersion: number;
  readonly rows: number;
  readonly files: number;
  readonly bytes: number;
  /** When the recovery region had its copy; null without one. */
  readonly copiedAt: string | null;
  /** When a trial restore gave back every row and file; null before it, and when it did not. */
  readonly verifiedAt: string | null;
  /** Why it did not. */
  readonly failure: { readonly code: string; readonly message: string } | null;
}

export function backupDocument(backup: Backup): BackupDocument {
  const { id, slug, region, reason, takenAt, schemaVersion, rows, files, bytes, failure } = backup;
  return {
    id,
    slug,
    region,
    reason,
    takenAt: takenAt.toISOString(),
    schemaVersion,
    rows,
    files,
    bytes,
    copiedAt: backup.copiedAt?.toISOString() ?? null,
    verifiedAt: backup.verifiedAt?.toISOString() ?? null,
    failure,
  };
}
