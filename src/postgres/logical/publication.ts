import type pg from "pg";
import { fault } from "../../core/error.ts";
import { quoteIdentifier, quoteLiteral } from "../identifier.ts";
import type { WriterPool } from "../pool.ts";
import { qualifiedName } from "../tables.ts";
import type { Source } from "./source.ts";

/** A table that has rows of its own: partitions are, and the root of partitions is not. */
export interface RowTable {
  readonly name: string;
  /** Columns that are written; generated ones are left out. */
  readonly columns: readonly string[];
  /** How Postgres tells its old rows: `d` primary key, `i` another index, `f` full row, `n` not at all. */
  readonly identity: "d" | "i" | "f" | "n";
  readonly identityIndex: string | null;
  /** An index that could tell rows: unique, checked at once, of all rows, without NULLs. The primary key's first. */
  readonly uniqueIndex: string | null;
  /** A usable one: what tells a row must be published, and generated columns are not. */
  readonly hasPrimaryKey: boolean;
  readonly hasGenerated: boolean;
}

/** How a table told its rows before a publication needed more. */
interface Identity {
  readonly table: string;
  readonly restore: string;
}

/** While tables wait for their lock, everyone behind waits too. */
const lockTimeoutMilliseconds = 2000;
const lockNotAvailable = "55P03";

/** The schema's tables in the order of their names' bytes. */
export async function listRowTables(client: pg.ClientBase, schema: string): Promise<RowTable[]> {
  const { rows } = await client.query<RowTable>(rowTablesQuery, [schema]);
  return rows;
}

const rowTablesQuery = `
  WITH index AS (
    SELECT indrelid, indisreplident, indisprimary, indimmediate, relname,
      indisunique AND indimmediate AND indisvalid AND indpred IS NULL AND indexprs IS NULL AND NOT EXISTS (
        SELECT FROM pg_attribute WHERE attrelid = indrelid AND attnum = ANY (indkey[0:indnkeyatts-1])
          AND NOT (attnotnull AND attgenerated = '')) AS tells
    FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid)
  SELECT class.relname AS name, class.relreplident AS identity,
    coalesce((
      SELECT json_agg(attname ORDER BY attnum) FROM pg_attribute
      WHERE attrelid = class.oid AND attnum > 0 AND NOT attisdropped AND attgenerated = ''), '[]') AS columns,
    (SELECT relname FROM index WHERE indrelid = class.oid AND indisreplident AND tells LIMIT 1) AS "identityIndex",
    (SELECT relname FROM index WHERE indrelid = class.oid AND tells
     ORDER BY indisprimary DESC, relname LIMIT 1) AS "uniqueIndex",
    EXISTS (SELECT FROM index WHERE indrelid = class.oid AND indisprimary AND tells) AS "hasPrimaryKey",
    EXISTS (SELECT FROM pg_attribute WHERE attrelid = class.oid AND attnum > 0 AND NOT attisdropped
      AND attgenerated <> '') AS "hasGenerated"
  FROM pg_class AS class JOIN pg_namespace AS namespace ON namespace.oid = class.relnamespace
  WHERE namespace.nspname = $1 AND class.relkind = 'r'
    AND NOT EXISTS (
      SELECT FROM pg_depend WHERE classid = 'pg_class'::regclass AND objid = class.oid AND deptype = 'e')
  ORDER BY class.relname COLLATE "C"`;

/**
 * Publishes all tables of the schema. A table without a primary key is told by another unique index, or by its full
 * rows, as long as the publication is there. Repeating it makes it anew. @throws E_DATABASE_BUSY
 */
export async function openPublication(source: Source): Promise<void> {
  const { pool, schema, name } = source;
  await closePublication(pool, schema, name);
  await withinLockTimeout(pool, async (client) => {
    const tables = await listRowTables(client, schema);
    const changes = tables.flatMap((table) => identityChange(schema, table));
    for (const { apply } of changes) await client.query(apply);
    const published = tables.map((table) => `ONLY ${qualifiedName(schema, table.name)}`);
    await client.query(
      `CREATE PUBLICATION ${quoteIdentifier(name)} ${published.length > 0 ? `FOR TABLE ${published.join(", ")}` : ""}`,
    );
    // The publication itself says what is to be restored: it can't be there without, whatever crashes.
    const identities: readonly Identity[] = changes.map(({ table, restore }) => ({ table, restore }));
    await client.query(
      `COMMENT ON PUBLICATION ${quoteIdentifier(name)} IS ${quoteLiteral(JSON.stringify(identities))}`,
    );
  });
}

/** Takes {@link openPublication} back; one that is not there is no error. @throws E_DATABASE_BUSY */
export async function closePublication(pool: WriterPool, schema: string, name: string): Promise<void> {
  await withinLockTimeout(pool, async (client) => {
    const { rows } = await client.query<{ comment: string | null }>(
      "SELECT obj_description(oid, 'pg_publication') AS comment FROM pg_publication WHERE pubname = $1",
      [name],
    );
    if (!rows[0]) return;
    await client.query(`DROP PUBLICATION ${quoteIdentifier(name)}`);
    const identities = JSON.parse(rows[0].comment ?? "[]") as readonly Identity[];
    const there = new Set((await listRowTables(client, schema)).map((table) => table.name));
    for (const { table, restore } of identities) {
      if (!there.has(table)) continue;
      await client.query(`ALTER TABLE ${qualifiedName(schema, table)} REPLICA IDENTITY ${restore}`);
    }
  });
}

/** @throws E_DATABASE_BUSY when a table stays locked: another attempt may find it free */
async function withinLockTimeout(
  pool: WriterPool,
  work: (client: pg.Client) => Promise<void>,
): Promise<void> {
  try {
    await pool.transaction(async (client) => {
      await client.query(`SET LOCAL lock_timeout = ${lockTimeoutMilliseconds}`);
      await work(client);
    });
  } catch (cause) {
    if ((cause as { code?: unknown }).code !== lockNotAvailable) throw cause;
    throw fault("E_DATABASE_BUSY", "A table of the tenant stays locked by a transaction that is open.", {
      cause,
    });
  }
}

/**
 * Tables whose old rows can't be told while they are published: only by the full row, and generated columns are no part
 * of what is published. Postgres would refuse every UPDATE and DELETE.
 */
export function untellable(tables: readonly RowTable[]): string[] {
  return tables
    .filter((table) => table.hasGenerated && (table.identity === "f" || needsFullRow(table)))
    .map(({ name }) => name);
}

function needsFullRow(table: RowTable): boolean {
  return !isTold(table) && table.uniqueIndex === null;
}

/** By the key that Postgres is set to. */
function isTold({ identity, hasPrimaryKey, identityIndex }: RowTable): boolean {
  return (identity === "d" && hasPrimaryKey) || (identity === "i" && identityIndex !== null);
}

/** What a table needs so that its old rows can be told: nothing, mostly. */
function identityChange(schema: string, table: RowTable): (Identity & { readonly apply: string })[] {
  if (table.identity === "f" || isTold(table)) return [];
  const wanted = table.uniqueIndex === null ? "FULL" : `USING INDEX ${quoteIdentifier(table.uniqueIndex)}`;
  return [
    {
      table: table.name,
      restore: table.identity === "n" ? "NOTHING" : "DEFAULT",
      apply: `ALTER TABLE ${qualifiedName(schema, table.name)} REPLICA IDENTITY ${wanted}`,
    },
  ];
}
