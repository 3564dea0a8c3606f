import type pg from "pg";
import type { ArchiveManifest } from "../../core/archive/manifest.ts";
import { fault } from "../../core/error.ts";
import type { AppliedMigration } from "../../core/migration/plan.ts";
import type { DatabaseCredentials, DatabaseEndpoint } from "../../ports/databases.ts";
import { connect } from "../../postgres/connect.ts";
import { enterSchema } from "../../postgres/schema-session.ts";
import { type TableChecksum, tableChecksums } from "../../postgres/table-checksum.ts";
import { listTables, qualifiedName, type TableDescription } from "../../postgres/tables.ts";
import { ledgerTable } from "../tenant-data/migrator.ts";

/** Where rows are, and the administrator of their server. */
export interface DataAddress {
  readonly endpoint: DatabaseEndpoint;
  readonly credentials: DatabaseCredentials;
  readonly database: string;
  readonly schema: string;
}

/** How long a table may be locked by others before the archive is given up. */
const lockTimeoutMilliseconds = 10_000;
/** As often as the tables may change while they are being locked. */
const maximumAttempts = 3;
const applicationName = "rowhouse-archive";

/** A tenant's tables at one moment: they can't be changed in shape while it is open, and their rows can. */
export interface Snapshot {
  /** Acts as the schema's owner in a REPEATABLE READ transaction. */
  readonly client: pg.Client;
  readonly schema: string;
  /** Without the ledger of migrations. */
  readonly tables: readonly TableDescription[];
  readonly migrations: readonly AppliedMigration[];
  readonly info: ArchiveManifest["snapshot"];
  readonly materializedViews: ArchiveManifest["materializedViews"];
  /** Of the tables' rows, on a second connection that sees the same. */
  checksums(): Promise<ReadonlyMap<string, TableChecksum>>;
  /** Ends the connections, whatever they are doing. */
  close(): void;
}

/**
 * Opens a snapshot of a tenant's rows.
 * @throws E_ARCHIVE_UNSUPPORTED, E_DATABASE_BUSY when a table stays locked or changes all the time, E_DATABASE_UNAVAILABLE
 */
export async function openSnapshot(source: DataAddress): Promise<Snapshot> {
  const client = await connect({ ...source, applicationName });
  try {
    const tables = await lockTables(client, source.schema);
    return await describeSnapshot(client, source, tables);
  } catch (error) {
    abandon(client);
    throw error;
  }
}

/**
 * LOCK takes no snapshot, the first query does: what is locked by then has in the snapshot the shape that it keeps.
 * Tables that came or changed between the list and the locks are seen by a second list.
 */
async function lockTables(client: pg.Client, schema: string): Promise<TableDescription[]> {
  for (let attempt = 1; attempt <= maximumAttempts; attempt++) {
    const before = await listTables(client, schema);
    await client.query(
      `BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET LOCAL lock_timeout = ${lockTimeoutMilliseconds}`,
    );
    const names = before.map(({ name }) => qualifiedName(schema, name));
    if (names.length === 0 || (await tryLock(client, names))) {
      await enterSchema(client, schema);
      const tables = await listTables(client, schema);
      if (JSON.stringify(tables) === JSON.stringify(before)) return tables;
    }
    await client.query("ROLLBACK");
  }
  throw fault("E_DATABASE_BUSY", "The tables are being changed, so that no archive could be begun.");
}

const undefinedTable = "42P01";
const lockNotAvailable = "55P03";

/** False when one of them is gone. */
async function tryLock(client: pg.Client, names: readonly string[]): Promise<boolean> {
  try {
    await client.query(`LOCK TABLE ${names.join(", ")} IN ACCESS SHARE MODE`);
    return true;
  } catch (cause) {
    const { code } = cause as { code?: unknown };
    if (code === undefinedTable) return false;
    if (code === lockNotAvailable)
      throw fault("E_DATABASE_BUSY", "A table stays locked, so that no archive could be begun.", { cause });
    throw cause;
  }
}

async function describeSnapshot(
  client: pg.Client,
  source: DataAddress,
  allTables: readonly TableDescription[],
): Promise<Snapshot> {
  const { schema } = source;
  const { rows } = await client.query<{ time: Date; lsn: string; postgres: string; id: string }>(
    snapshotQuery,
  );
  const [row] = rows;
  if (!row) throw fault("E_INTERNAL", "The snapshot could not be described.");
  await refuseUnsupported(client, schema);
  const tables = allTables.filter(({ name }) => name !== ledgerTable);
  const hasLedger = tables.length < allTables.length;
  let helper: pg.Client | undefined;
  let isClosed = false;
  return {
    client,
    schema,
    tables,
    migrations: hasLedger ? await readLedger(client, schema) : [],
    info: { time: row.time.toISOString(), lsn: row.lsn, postgres: row.postgres },
    materializedViews: await listMaterializedViews(client, schema),
    async checksums() {
      helper = await connect({ ...source, applicationName });
      if (isClosed) abandon(helper);
      await helper.query("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY");
      await helper.query(`SET TRANSACTION SNAPSHOT '${row.id}'`);
      return tableChecksums(helper, schema, tables);
    },
    close() {
      isClosed = true;
      abandon(client);
      if (helper) abandon(helper);
    },
  };
}

const snapshotQuery = `
  SELECT clock_timestamp() AS time, current_setting('server_version') AS postgres, pg_export_snapshot() AS id,
    CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_insert_lsn() END::text AS lsn`;

async function readLedger(client: pg.Client, schema: string): Promise<AppliedMigration[]> {
  const { rows } = await client.query<AppliedMigration>(
    `SELECT number, file, sha256 FROM ${qualifiedName(schema, ledgerTable)} ORDER BY number`,
  );
  return rows;
}

/** Those that others are made from come first. */
async function listMaterializedViews(
  client: pg.Client,
  schema: string,
): Promise<ArchiveManifest["materializedViews"]> {
  const { rows } = await client.query<{ name: string; populated: boolean }>(
    `WITH RECURSIVE use AS (
       SELECT DISTINCT ev_class AS view, refobjid AS used FROM pg_rewrite
       JOIN pg_depend ON classid = 'pg_rewrite'::regclass AND objid = pg_rewrite.oid
       WHERE refclassid = 'pg_class'::regclass AND refobjid <> ev_class),
     rank AS (
       SELECT oid AS view, 0 AS depth FROM pg_class
       WHERE relkind IN ('v', 'm') AND relnamespace = (SELECT oid FROM pg_namespace WHERE nspname = $1)
       UNION SELECT use.view, depth + 1 FROM rank JOIN use ON use.used = rank.view)
     SELECT relname AS name, relispopulated AS populated FROM rank JOIN pg_class AS class ON class.oid = view
     WHERE relkind = 'm' GROUP BY relname, relispopulated ORDER BY max(depth), relname COLLATE "C"`,
    [schema],
  );
  return rows;
}

/** What would be missing from an archive is named instead. @throws E_ARCHIVE_UNSUPPORTED */
async function refuseUnsupported(client: pg.Client, schema: string): Promise<void> {
  const { rows } = await client.query<{ what: string }>(
    `WITH space AS (SELECT * FROM pg_namespace WHERE nspname = $1),
     tenant AS (
       SELECT nspowner AS role FROM space
       UNION SELECT grantee FROM space, aclexplode(nspacl) WHERE grantee <> 0)
     SELECT 'the foreign table "' || relname || '", whose rows are elsewhere' AS what
     FROM pg_class JOIN space ON space.oid = relnamespace WHERE relkind = 'f'
     UNION ALL
     SELECT count(*) || ' large objects' FROM pg_largeobject_metadata JOIN tenant ON role = lomowner
     HAVING count(*) > 0
     UNION ALL
     SELECT 'the schema "' || nspname || '" beside its own' FROM pg_namespace AS other
     JOIN pg_roles ON pg_roles.oid = nspowner AND NOT rolsuper
     WHERE nspowner = (SELECT nspowner FROM space) AND nspname <> $1 AND nspname NOT LIKE 'pg\\_%'`,
    [schema],
  );
  if (rows.length === 0) return;
  const found = rows.map(({ what }) => what).join(", ");
  throw fault("E_ARCHIVE_UNSUPPORTED", `The tenant's data has what an archive can't hold: ${found}.`);
}

/** At once: a connection in the middle of a COPY would not end before it has sent all. */
function abandon(client: pg.Client): void {
  client.end().catch(() => {});
  client.connection.stream.destroy();
}
