import { type Backup, type BackupReason, backupId } from "../../core/backup/backup.ts";
import type { BackupSituation } from "../../core/backup/schedule.ts";
import { type ErrorJson, fault, toRowhouseError } from "../../core/error.ts";
import type { Clock, Random } from "../../ports/clock.ts";
import type { WriterPool } from "../../postgres/pool.ts";

/** A backup that is not whole yet. */
export interface UnfinishedBackup {
  readonly id: string;
  readonly slug: string;
  readonly region: string;
  readonly tenantCreatedAt: Date;
  readonly reason: BackupReason;
  /** What it is read from; null for where the tenant's data is at present. */
  readonly location: string | null;
}

/** What a written archive adds. */
export type WrittenArchive = Pick<Backup, "takenAt" | "schemaVersion" | "rows" | "files" | "bytes">;

interface BackupRow {
  id: string;
  slug: string;
  region: string;
  tenant_created_at: Date;
  reason: BackupReason;
  location: string | null;
  taken_at: Date;
  schema_version: number;
  rows: string;
  files: string;
  bytes: string;
  copied_at: Date | null;
  verified_at: Date | null;
  failure: ErrorJson | null;
}

/** A writer that says nothing for so long is dead. */
const silenceSeconds = 60;

/** The region's table of backups. Only what is `whole` counts. */
export class Catalogue {
  readonly #parts: { readonly pool: WriterPool; readonly clock: Clock; readonly random: Random };

  constructor(parts: { readonly pool: WriterPool; readonly clock: Clock; readonly random: Random }) {
    this.#parts = parts;
  }

  /** A tenant's whole backups, newest first; those of an earlier tenant that had its slug too. */
  async list(slug: string): Promise<Backup[]> {
    const { rows } = await this.#query(
      "SELECT * FROM backups WHERE slug = $1 AND state = 'whole' ORDER BY taken_at DESC, id DESC",
      [slug],
    );
    return rows.map(toBackup);
  }

  /** A whole one. */
  async find(id: string): Promise<Backup | undefined> {
    const { rows } = await this.#query("SELECT * FROM backups WHERE id = $1 AND state = 'whole'", [id]);
    return rows[0] && toBackup(rows[0]);
  }

  /** A name for a backup that begins now. */
  newId(): string {
    const { clock, random } = this.#parts;
    return backupId(clock.now(), Buffer.from(random.bytes(4)).toString("hex"));
  }

  /** Writes down that a backup begins; repeating it is no error. */
  async begin(backup: UnfinishedBackup, state: "writing" | "pending"): Promise<void> {
    const { id, slug, region, tenantCreatedAt, reason, location } = backup;
    await this.#query(
      `INSERT INTO backups (id, slug, region, tenant_created_at, reason, state, location, begun_at)
       VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (id) DO NOTHING`,
      [id, slug, region, tenantCreatedAt, reason, state, location, this.#parts.clock.now()],
    );
  }

  /** Says that the writer lives. */
  async touch(id: string): Promise<void> {
    await this.#query("UPDATE backups SET touched_at = now() WHERE id = $1", [id]);
  }

  /** From now on it counts. @throws E_CONFLICT when it was given up meanwhile, as with its tenant */
  async complete(id: string, written: WrittenArchive): Promise<Backup> {
    const { takenAt, schemaVersion, rows: rowCount, files, bytes } = written;
    const { rows } = await this.#query(
      `UPDATE backups SET state = 'whole', location = NULL, taken_at = $2, schema_version = $3, rows = $4, files = $5,
         bytes = $6
       WHERE id = $1 AND state IN ('writing', 'pending')
         AND NOT EXISTS (SELECT FROM tenants t WHERE t.slug = backups.slug AND t.state IN ('closing', 'closed'))
       RETURNING *`,
      [id, takenAt, schemaVersion, rowCount, files, bytes],
    );
    if (!rows[0]) throw fault("E_CONFLICT", `The backup ${id} was given up while it was written.`);
    await this.forgetFailure(rows[0].slug);
    return toBackup(rows[0]);
  }

  /** Those whose writer fell silent, those that are half deleted, and those that no restore will ever write. */
  async leftOver(): Promise<Pick<Backup, "id" | "slug">[]> {
    const { rows } = await this.#query(
      `SELECT * FROM backups WHERE state IN ('writing', 'deleting') AND touched_at < now() - make_interval(secs => $1)
         OR state = 'pending' AND location IS NULL AND touched_at < now() - interval '1 day'
           AND NOT EXISTS (SELECT FROM tenant_operations o WHERE o.slug = backups.slug)`,
      [silenceSeconds],
    );
    return rows.map(({ id, slug }) => ({ id, slug }));
  }

  /** Lets a pending one be read from this location, which is kept until then. */
  async setLocation(id: string, location: string): Promise<void> {
    await this.#query("UPDATE backups SET location = $2 WHERE id = $1 AND state = 'pending'", [id, location]);
  }

  async findPending(id: string): Promise<UnfinishedBackup | undefined> {
    const { rows } = await this.#query("SELECT * FROM backups WHERE id = $1 AND state = 'pending'", [id]);
    return rows[0] && toUnfinished(rows[0]);
  }

  /** Those that have their location, and are still to be written. */
  async pending(): Promise<UnfinishedBackup[]> {
    const { rows } = await this.#query(
      "SELECT * FROM backups WHERE state = 'pending' AND location IS NOT NULL",
    );
    return rows.map(toUnfinished);
  }

  /**
   * It counts no more, and will be deleted whatever crashes. While its writer may be at work (`isMine` says that it is
   * the caller) the row stays: what is written later would belong to nothing.
   */
  async beginDelete(id: string, isMine: boolean): Promise<void> {
    await this.#query(
      `UPDATE backups SET state = 'deleting',
         touched_at = CASE WHEN state IN ('writing', 'deleting') AND NOT $2 THEN touched_at ELSE '-infinity' END
       WHERE id = $1`,
      [id, isMine],
    );
  }

  /** Nothing of it is left; one whose writer may be at work stays on the list of what is to be deleted. */
  async remove(id: string): Promise<void> {
    await this.#query(
      `DELETE FROM backups WHERE id = $1 AND state = 'deleting'
         AND touched_at < now() - make_interval(secs => $2)`,
      [id, silenceSeconds],
    );
  }

  /** Whole ones that the recovery region lacks. */
  async uncopied(): Promise<Backup[]> {
    const { rows } = await this.#query(
      "SELECT * FROM backups WHERE state = 'whole' AND copied_at IS NULL ORDER BY taken_at DESC LIMIT 100",
    );
    return rows.map(toBackup);
  }

  /** False when the backup is not whole any more: it is being deleted, or was. */
  async noteCopy(id: string): Promise<boolean> {
    const { rowCount } = await this.#query(
      "UPDATE backups SET copied_at = $2 WHERE id = $1 AND state = 'whole'",
      [id, this.#parts.clock.now()],
    );
    return rowCount === 1;
  }

  /** What a trial restore found. */
  async noteTrial(id: string, failure: ErrorJson | null): Promise<void> {
    await this.#query(
      `UPDATE backups SET tried_at = $2::timestamptz, failure = $3,
         verified_at = CASE WHEN $3::jsonb IS NULL THEN $2::timestamptz END WHERE id = $1`,
      [id, this.#parts.clock.now(), failure && JSON.stringify(failure)],
    );
  }

  /**
   * The newest backup of the tenant whose turn it is: the one whose backups were tried the longest ago. Nothing while
   * the last trial of all is younger than `everySeconds`, or when that backup was tried already.
   */
  async nextTrial(everySeconds: number): Promise<Backup | undefined> {
    const { rows } = await this.#query(
      `SELECT newest.* FROM (
         SELECT DISTINCT ON (b.slug) b.*, max(b.tried_at) OVER (PARTITION BY b.slug) AS last_tried
         FROM backups b JOIN tenants t ON t.slug = b.slug AND t.state IN ('active', 'suspended')
         WHERE b.state = 'whole' ORDER BY b.slug, b.taken_at DESC) AS newest
       WHERE newest.tried_at IS NULL AND NOT EXISTS (
         SELECT FROM backups WHERE tried_at > $1::timestamptz - make_interval(secs => $2))
       ORDER BY newest.last_tried NULLS FIRST, newest.slug LIMIT 1`,
      [this.#parts.clock.now(), everySeconds],
    );
    return rows[0] && toBackup(rows[0]);
  }

  /** Every tenant of the region that is to have backups, and when it last had one. */
  async situations(region: string): Promise<BackupSituation[]> {
    const { rows } = await this.#parts.pool.query<{
      slug: string;
      created_at: Date;
      begun_at: Date | null;
      failed_at: Date | null;
    }>(
      `SELECT t.slug, t.created_at, failed_at, (
         SELECT max(begun_at) FROM backups b
         WHERE b.slug = t.slug AND b.state = 'whole' AND b.reason IN ('scheduled', 'manual') AND b.taken_at >= t.created_at - interval '1 minute') AS begun_at
       FROM tenants t LEFT JOIN backup_failures f USING (slug)
       WHERE t.region = $1 AND t.state IN ('active', 'suspended')`,
      [region],
    );
    return rows.map((row) => ({
      slug: row.slug,
      createdAt: row.created_at,
      begunAt: row.begun_at,
      failedAt: row.failed_at,
    }));
  }

  async noteFailure(slug: string, error: unknown): Promise<void> {
    await this.#query(
      `INSERT INTO backup_failures (slug, failed_at, error) VALUES ($1, $2, $3)
       ON CONFLICT (slug) DO UPDATE SET failed_at = excluded.failed_at, error = excluded.error`,
      [slug, this.#parts.clock.now(), JSON.stringify(toRowhouseError(error))],
    );
  }

  /** What is wrong with backups, by tenant: attempts that failed, and trial restores of what is still kept. */
  async problems(): Promise<{ slug: string; backup: string | null; error: ErrorJson }[]> {
    const { rows } = await this.#parts.pool.query<{ slug: string; backup: string | null; error: ErrorJson }>(
      `SELECT slug, NULL AS backup, error FROM backup_failures
       UNION ALL SELECT slug, id, failure FROM backups WHERE state = 'whole' AND failure IS NOT NULL
       ORDER BY slug, backup`,
    );
    return rows;
  }

  /** Every slug that has whole backups, and when a tenant of this region that has it now was made. */
  async owners(region: string): Promise<{ slug: string; liveSince: Date | null }[]> {
    const { rows } = await this.#parts.pool.query<{ slug: string; live_since: Date | null }>(
      `SELECT b.slug, t.created_at AS live_since FROM (SELECT DISTINCT slug FROM backups WHERE state = 'whole') AS b
       LEFT JOIN tenants t ON t.slug = b.slug AND t.region = $1 AND t.state NOT IN ('closing', 'closed', 'failed')`,
      [region],
    );
    return rows.map((row) => ({ slug: row.slug, liveSince: row.live_since }));
  }

  /** Takes backups in that lie in the objects, and that the table does not know. Returns how many. */
  async adopt(backups: readonly Backup[]): Promise<number> {
    let adopted = 0;
    for (const backup of backups) {
      const { id, slug, region, tenantCreatedAt, reason, takenAt, schemaVersion } = backup;
      const { rowCount } = await this.#query(
        `INSERT INTO backups (id, slug, region, tenant_created_at, reason, state, begun_at, taken_at, schema_version, rows, files, bytes)
         VALUES ($1, $2, $3, $4, $5, 'whole', $6, $6, $7, $8, $9, $10) ON CONFLICT DO NOTHING`,
        [
          ...[id, slug, region, tenantCreatedAt, reason, takenAt, schemaVersion],
          ...[backup.rows, backup.files, backup.bytes],
        ],
      );
      adopted += rowCount ?? 0;
    }
    return adopted;
  }

  /** Nothing failed for a slug that has no tenant any more. */
  async forgetFailure(slug: string): Promise<void> {
    await this.#query("DELETE FROM backup_failures WHERE slug = $1", [slug]);
  }

  /** The ids of all backups, or of those of a slug, in any state. */
  async everyId(slug?: string): Promise<ReadonlySet<string>> {
    const { rows } = await this.#query("SELECT id FROM backups WHERE $1::text IS NULL OR slug = $1", [
      slug ?? null,
    ]);
    return new Set(rows.map(({ id }) => id));
  }

  #query(sql: string, parameters: readonly unknown[] = []) {
    return this.#parts.pool.query<BackupRow>(sql, parameters);
  }
}

/** Those of this tenant alone: an earlier one may have had its slug. */
export function ownBackups(backups: readonly Backup[], tenantCreatedAt: Date): Backup[] {
  return backups.filter((backup) => backup.tenantCreatedAt.getTime() === tenantCreatedAt.getTime());
}

function toUnfinished(row: BackupRow): UnfinishedBackup {
  const { id, slug, region, tenant_created_at: tenantCreatedAt, reason, location } = row;
  return { id, slug, region, tenantCreatedAt, reason, location };
}

function toBackup(row: BackupRow): Backup {
  return {
    id: row.id,
    slug: row.slug,
    region: row.region,
    tenantCreatedAt: row.tenant_created_at,
    reason: row.reason,
    takenAt: row.taken_at,
    schemaVersion: row.schema_version,
    rows: Number(row.rows),
    files: Number(row.files),
    bytes: Number(row.bytes),
    copiedAt: row.copied_at,
    verifiedAt: row.verified_at,
    failure: row.failure && { code: row.failure.code, message: row.failure.message },
  };
}
