import { text } from "node:stream/consumers";
import type pg from "pg";
import type { ArchivedTable, ArchiveManifest } from "../../core/archive/manifest.ts";
import { fault } from "../../core/error.ts";
import { connect } from "../../postgres/connect.ts";
import { checkConstraints } from "../../postgres/constraints.ts";
import { copyRowsIn } from "../../postgres/copy-rows.ts";
import { describeSchema } from "../../postgres/schema-fingerprint.ts";
import { enterSchema } from "../../postgres/schema-session.ts";
import { readSequences, setSequences } from "../../postgres/sequences.ts";
import { tableChecksums } from "../../postgres/table-checksum.ts";
import { listTables, qualifiedName, storedColumns, type TableDescription } from "../../postgres/tables.ts";
import { ledgerTable } from "../tenant-data/migrator.ts";
import type { Archive } from "./open.ts";
import type { DataAddress } from "./snapshot.ts";

export interface LoadOptions {
  /**
   * For an archive that comes from outside: rows are also held to the foreign keys and the constraints that Postgres
   * checks at a transaction's end. A backup's rows were.
   */
  readonly checkConstraints?: boolean;
  /** Called before each table. */
  readonly onProgress?: (progress: { readonly table: string; readonly rows: number }) => void;
}

/** What was loaded, and found to be what the manifest says. */
export interface LoadedArchive {
  readonly tables: number;
  readonly rows: number;
}

const lockTimeoutMilliseconds = 10_000;

/**
 * Puts the rows into a location to which the archive's migrations were applied (`archivedMigrations`), in one
 * transaction: all is there, or nothing. What the migrations inserted goes. Triggers don't fire. A repeat gives the
 * same.
 * @throws E_ARCHIVE_SCHEMA when the location's schema is not the archive's, E_ARCHIVE_DAMAGED, E_ARCHIVE_MISMATCH when
 * what was loaded is not what the manifest says, E_DATABASE_UNAVAILABLE
 */
export async function loadArchive(
  archive: Archive,
  target: DataAddress,
  options: LoadOptions = {},
): Promise<LoadedArchive> {
  const client = await connect({ ...target, applicationName: "rowhouse-archive" });
  try {
    await client.query(
      `BEGIN; SET LOCAL session_replication_role = replica; SET LOCAL lock_timeout = ${lockTimeoutMilliseconds}`,
    );
    await enterSchema(client, target.schema);
    const loaded = await load(archive, client, target.schema, options);
    await client.query("COMMIT");
    return loaded;
  } catch (error) {
    throw asLoadFault(error);
  } finally {
    // Without a COMMIT that is a ROLLBACK.
    await client.end();
  }
}

async function load(
  archive: Archive,
  client: pg.Client,
  schema: string,
  options: LoadOptions,
): Promise<LoadedArchive> {
  const { manifest } = archive;
  await compareSchemas(archive, client, schema);
  const tables = await matchTables(manifest, client, schema);
  if (tables.length > 0) {
    const names = tables.map(({ table }) => qualifiedName(schema, table.name));
    await client.query(`TRUNCATE ${names.join(", ")}`);
  }
  for (const { table, archived } of tables) {
    options.onProgress?.({ table: table.name, rows: archived.rows });
    await loadTable(archive, client, { schema, table, archived });
  }
  await compareRows(client, schema, tables);
  await setSequences(client, schema, manifest.sequences);
  if (options.checkConstraints) await checkLoadedConstraints(client, schema);
  for (const { name, populated } of manifest.materializedViews) {
    const data = populated ? "" : " WITH NO DATA";
    await client.query(`REFRESH MATERIALIZED VIEW ${qualifiedName(schema, name)}${data}`);
  }
  for (const { table } of tables) await client.query(`ANALYZE ${qualifiedName(schema, table.name)}`);
  return { tables: tables.length, rows: tables.reduce((sum, { archived }) => sum + archived.rows, 0) };
}

/** @throws E_ARCHIVE_SCHEMA with what differs first */
async function compareSchemas(archive: Archive, client: pg.Client, schema: string): Promise<void> {
  const { description } = archive.manifest.schema;
  const expected = (await text(await archive.read(description))).split("\n").slice(0, -1);
  const actual = await describeSchema(client, schema, [ledgerTable]);
  const missing = firstMissing(expected, actual);
  const added = firstMissing(actual, expected);
  if (missing === undefined && added === undefined) return;
  const difference = [
    missing !== undefined && `the archive has ${missing}`,
    added !== undefined && `the release makes ${added}`,
  ];
  throw fault("E_ARCHIVE_SCHEMA", `The schemas differ: ${difference.filter(Boolean).join(", ")}.`);
}

const maximumQuoted = 200;

function firstMissing(from: readonly string[], other: readonly string[]): string | undefined {
  const there = new Set(other);
  return from.find((line) => !there.has(line))?.slice(0, maximumQuoted);
}

interface MatchedTable {
  readonly table: TableDescription;
  readonly archived: ArchivedTable;
}

/** The schemas are the same; that the manifest names what is in them is another question. @throws E_ARCHIVE_DAMAGED */
async function matchTables(
  manifest: ArchiveManifest,
  client: pg.Client,
  schema: string,
): Promise<MatchedTable[]> {
  const tables = (await listTables(client, schema)).filter(({ name }) => name !== ledgerTable);
  const archived = new Map(manifest.tables.map((table) => [table.name, table]));
  const matched = tables.flatMap((table) => {
    const found = archived.get(table.name);
    return found && hasSameColumns(table, found) ? [{ table, archived: found }] : [];
  });
  const sequences = await readSequences(client, schema);
  const names = JSON.stringify(manifest.sequences.map(({ name }) => name));
  const isComplete =
    matched.length === tables.length &&
    matched.length === manifest.tables.length &&
    names === JSON.stringify(sequences.map(({ name }) => name));
  if (isComplete) return matched;
  throw fault("E_ARCHIVE_DAMAGED", "The archive's manifest names other tables than its schema has.");
}

function hasSameColumns(table: TableDescription, archived: ArchivedTable): boolean {
  const columns = storedColumns(table);
  const names = archived.columns.map(({ name }) => name);
  const hasData = columns.length > 0 === (archived.data !== undefined);
  return hasData && JSON.stringify(columns) === JSON.stringify(names);
}

async function loadTable(
  archive: Archive,
  client: pg.Client,
  target: MatchedTable & { readonly schema: string },
): Promise<void> {
  const { schema, table, archived } = target;
  if (!archived.data) {
    await client.query(
      `INSERT INTO ${qualifiedName(schema, table.name)} SELECT FROM generate_series(1, $1)`,
      [archived.rows],
    );
    return;
  }
  const rows = await copyRowsIn(client, await archive.read(archived.data), {
    schema,
    table,
    isTruncatedNow: true,
  });
  if (rows !== archived.rows) throw mismatch(`"${table.name}" has ${rows} rows and not ${archived.rows}`);
}

async function compareRows(
  client: pg.Client,
  schema: string,
  tables: readonly MatchedTable[],
): Promise<void> {
  const found = await tableChecksums(
    client,
    schema,
    tables.map(({ table }) => table),
  );
  for (const { table, archived } of tables) {
    const { rows, checksum } = found.get(table.name) ?? {};
    if (rows !== archived.rows) throw mismatch(`"${table.name}" has ${rows} rows and not ${archived.rows}`);
    if (checksum !== archived.checksum) throw mismatch(`rows of "${table.name}" have other values`);
  }
}

async function checkLoadedConstraints(client: pg.Client, schema: string): Promise<void> {
  const violated = await checkConstraints(client, schema);
  if (violated.length > 0)
    throw fault("E_ARCHIVE_DAMAGED", `The archive's rows break the constraint ${violated.join(", ")}.`);
}

function mismatch(what: string): Error {
  return fault("E_ARCHIVE_MISMATCH", `After loading, ${what}; none of it was kept.`);
}

/** Rows that Postgres refuses were changed, whatever the checksums beside them say. */
function asLoadFault(error: unknown): unknown {
  const { code, message } = error as { code?: unknown; message?: string };
  const isRefusedRow = typeof code === "string" && /^2[23]/.test(code);
  if (!isRefusedRow) return error;
  return fault("E_ARCHIVE_DAMAGED", `A row of the archive is refused: ${message} (SQLSTATE ${code}).`, {
    cause: error,
  });
}
