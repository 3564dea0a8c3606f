import { createHash } from "node:crypto";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type pg from "pg";
import { fault } from "../core/error.ts";
import {
  type AppliedMigration,
  type Migration,
  orderMigrations,
  pendingMigrations,
} from "../core/migration/plan.ts";
import { isConnectionLoss } from "./connect.ts";
import { quoteIdentifier, quoteLiteral } from "./identifier.ts";
import { traceStep } from "./migration-trace.ts";

/** Where the record of what was applied is: in the database itself, so that it can't be apart from it. */
export interface Ledger {
  readonly ledgerSchema: string;
  readonly ledgerTable: string;
  /**
   * One at a time: who finds the ledger locked, or waits longer than this for a table, gives up with E_MIGRATION_BUSY.
   * The lock is the connection's until it ends. Without it the caller keeps others away.
   */
  readonly lockTimeoutMilliseconds?: number;
}

/** Reads a folder of numbered SQL files. @throws E_MIGRATION_NAME, E_MIGRATION_STATEMENTS */
export async function readMigrations(folder: string | URL): Promise<Migration[]> {
  const path = folder instanceof URL ? fileURLToPath(folder) : folder;
  const names = (await readdir(path)).filter((name) => name.endsWith(".sql"));
  const files = await Promise.all(
    names.map(async (file) => {
      const sql = await readFile(join(path, file), "utf8");
      return { file, sql, sha256: createHash("sha256").update(sql).digest("hex") };
    }),
  );
  return orderMigrations(files);
}

/**
 * Applies what is pending, each file in its own transaction together with its ledger row, so that a crash leaves
 * no file half applied. Returns the migrations that were applied now.
 * @throws E_MIGRATION_FAILED with the file, line and SQLSTATE, E_MIGRATION_CHANGED, E_MIGRATION_BUSY
 */
export async function applyMigrations(
  client: pg.ClientBase,
  migrations: readonly Migration[],
  ledger: Ledger,
): Promise<Migration[]> {
  const table = `${quoteIdentifier(ledger.ledgerSchema)}.${quoteIdentifier(ledger.ledgerTable)}`;
  const pending = pendingMigrations(
    migrations,
    await traceStep("read-ledger", () => readLedger(client, table, ledger.lockTimeoutMilliseconds)),
  );
  for (const migration of pending) {
    if (migration.isTransactional)
      await traceStep("run-with-record", () => applyInTransaction(client, migration, table));
    else await applyOutsideTransaction(client, migration, { table, schema: ledger.ledgerSchema });
  }
  return pending;
}

const undefinedTable = "42P01";

/** Most databases have a ledger: asking for it first, and for the lock with it, saves round trips. */
async function readLedger(
  client: pg.ClientBase,
  table: string,
  lockTimeoutMilliseconds: number | undefined,
): Promise<AppliedMigration[]> {
  const lock =
    lockTimeoutMilliseconds === undefined
      ? ""
      : `SET lock_timeout = ${Math.ceil(lockTimeoutMilliseconds)};
         SELECT pg_try_advisory_lock(hashtextextended(${quoteLiteral(table)}, 0)) AS locked;`;
  const ask = () => askLedger(client, `${lock} SELECT number, file, sha256 FROM ${table} ORDER BY number`);
  try {
    return await ask();
  } catch (error) {
    if ((error as { code?: unknown }).code !== undefinedTable) throw error;
  }
  await client.query(
    `CREATE TABLE IF NOT EXISTS ${table} (
       number integer PRIMARY KEY, file text NOT NULL, sha256 text NOT NULL, applied_at timestamptz NOT NULL DEFAULT now())`,
  );
  return ask();
}

async function askLedger(client: pg.ClientBase, sql: string): Promise<AppliedMigration[]> {
  const answer: unknown = await client.query(sql);
  // Several statements have a result each.
  const results = (Array.isArray(answer) ? answer : [answer]) as pg.QueryResult<Record<string, unknown>>[];
  if (results.some(({ rows }) => rows[0]?.locked === false)) throw fault("E_MIGRATION_BUSY");
  return (results.at(-1)?.rows ?? []) as unknown as AppliedMigration[];
}

/** All in one round trip. */
async function applyInTransaction(client: pg.ClientBase, migration: Migration, table: string): Promise<void> {
  const before = "BEGIN;\n";
  try {
    await client.query(`${before}${migration.sql}\n;${recordOf(migration, table)};COMMIT`);
  } catch (cause) {
    await client.query("ROLLBACK").catch(() => {});
    throw migrationFault(migration, cause, before.length);
  }
}

/**
 * A crash after the statement leaves no ledger row, so it runs again. An index whose concurrent build broke off is
 * there, invalid, and `IF NOT EXISTS` would be content with it: such ones go first.
 */
async function applyOutsideTransaction(
  client: pg.ClientBase,
  migration: Migration,
  ledger: { readonly table: string; readonly schema: string },
): Promise<void> {
  try {
    await traceStep("drop-invalid-indexes", () => dropInvalidIndexes(client, ledger.schema));
    await traceStep("run-statement", () => client.query(migration.sql));
  } catch (cause) {
    throw migrationFault(migration, cause, 0);
  }
  await traceStep("record-statement", () => client.query(recordOf(migration, ledger.table)));
}

/** Not those of a partitioned table, which is invalid on purpose until every partition has its own. */
async function dropInvalidIndexes(client: pg.ClientBase, schema: string): Promise<void> {
  const { rows } = await client.query<{ name: string }>(
    `SELECT class.relname AS name FROM pg_index JOIN pg_class AS class ON class.oid = indexrelid
     JOIN pg_namespace AS namespace ON namespace.oid = class.relnamespace
     WHERE namespace.nspname = $1 AND NOT indisvalid AND class.relkind = 'i'`,
    [schema],
  );
  for (const { name } of rows) {
    await client.query(
      `DROP INDEX CONCURRENTLY IF EXISTS ${quoteIdentifier(schema)}.${quoteIdentifier(name)}`,
    );
  }
}

function recordOf({ number, file, sha256 }: Migration, table: string): string {
  return `INSERT INTO ${table} (number, file, sha256) VALUES (${number}, ${quoteLiteral(file)}, ${quoteLiteral(sha256)})`;
}

/** lock_not_available and deadlock_detected: nothing is wrong with the migration. */
const busyStates = new Set(["55P03", "40P01"]);
/** active_sql_transaction, as CREATE INDEX CONCURRENTLY answers. */
const needsNoTransaction = "25001";

function migrationFault(migration: Migration, cause: unknown, offset: number): unknown {
  if (isConnectionLoss(cause)) return cause;
  const { code, message, position } = cause as { code?: string; message?: string; position?: string };
  if (code === undefined || !/^[0-9A-Z]{5}$/.test(code)) return cause;
  const line = position
    ? migration.sql.slice(0, Math.max(0, Number(position) - offset)).split("\n").length
    : undefined;
  const place = line ? `${migration.file}, line ${line}` : migration.file;
  if (busyStates.has(code))
    return fault("E_MIGRATION_BUSY", `The migration ${place} found a table in use (SQLSTATE ${code}).`, {
      cause,
    });
  const remedy =
    code === needsNoTransaction
      ? { remedy: "Put the statement alone into a file with the line `-- rowhouse: no-transaction`." }
      : {};
  return fault("E_MIGRATION_FAILED", `The migration ${place} failed: ${message} (SQLSTATE ${code}).`, {
    cause,
    ...remedy,
  });
}
