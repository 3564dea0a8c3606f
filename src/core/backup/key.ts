import { fault } from "../error.ts";
import { type Backup, backupReasons } from "./backup.ts";

/** Where a region's objects hold all backups. */
export const backupsPrefix = "backups/";

/** Where a region's objects hold all of a tenant's backups. */
export function tenantBackupsPrefix(slug: string): string {
  return `${backupsPrefix}${slug}/`;
}

/** Where a region's objects hold one backup. */
export function backupPrefix(slug: string, id: string): string {
  return `${tenantBackupsPrefix(slug)}${id}/`;
}

/** The encrypted archive. */
export function archiveKey({ slug, id }: Pick<Backup, "slug" | "id">): string {
  return `${backupPrefix(slug, id)}archive`;
}

const recordName = "backup.json";

/** What is known of the backup, beside its archive. It is written last: where it is, the backup is whole. */
export function recordKey({ slug, id }: Pick<Backup, "slug" | "id">): string {
  return `${backupPrefix(slug, id)}${recordName}`;
}

/** Whose key {@link recordKey} could have made. */
export function isRecordKey(key: string): boolean {
  return key.startsWith(backupsPrefix) && key.endsWith(`/${recordName}`);
}

/** Where a region's objects hold the archives of imports that are under way. */
export const importsPrefix = "imports/";

/** Where the archive of an import waits until it is loaded. */
export function importPrefix(id: string): string {
  return `${importsPrefix}${id}/`;
}

export function importKey(id: string): string {
  return `${importPrefix(id)}archive`;
}

const format = "rowhouse-backup";

/** The text of the record. */
export function formatRecord(backup: Omit<Backup, "copiedAt" | "verifiedAt" | "failure">): string {
  const { id, slug, region, tenantCreatedAt, reason, takenAt, schemaVersion, rows, files, bytes } = backup;
  const known = { id, slug, region, tenantCreatedAt, reason, takenAt, schemaVersion, rows, files, bytes };
  return `${JSON.stringify({ format, version: 1, ...known }, null, 2)}\n`;
}

/** @throws E_ARCHIVE_FORMAT for a text that {@link formatRecord} did not make */
export function parseRecord(text: string): Backup {
  const record = JSON.parse(text) as Record<string, unknown>;
  const reason = backupReasons.find((known) => known === record.reason);
  if (record.format !== format || record.version !== 1 || !reason)
    throw fault("E_ARCHIVE_FORMAT", "This is no record of a backup.");
  return {
    id: String(record.id),
    slug: String(record.slug),
    region: String(record.region),
    tenantCreatedAt: new Date(String(record.tenantCreatedAt)),
    reason,
    takenAt: new Date(String(record.takenAt)),
    schemaVersion: Number(record.schemaVersion),
    rows: Number(record.rows),
    files: Number(record.files),
    bytes: Number(record.bytes),
    copiedAt: null,
    verifiedAt: null,
    failure: null,
  };
}
