import { quoteIdentifier } from "../../postgres/identifier.ts";
import type { WriterPool } from "../../postgres/pool.ts";
import type { RegionContext } from "../region-context.ts";
import { sharedDatabase } from "../tenant-data/locations.ts";
import type { Search } from "./search.ts";

/** Rows that are held at a time. */
const batchRows = 500;

/**
 * Looks at the rows of all tables in all databases of the region's servers, as text. Returns what could not be read.
 * Beside the files of the databases this shows what is not on the disk yet, and unlogged tables, which no checkpoint
 * writes.
 */
export async function textOfDatabases(context: RegionContext, search: Search): Promise<string[]> {
  const { platform, administration, pool } = context;
  const unreadable: string[] = [];
  await textOfTables(pool, "control database", search);
  for (const { name } of await platform.databases.list()) {
    const maintenance = await administration.pool(name, "postgres");
    const { rows } = await maintenance.query<{ datname: string }>(
      "SELECT datname FROM pg_database WHERE datallowconn AND NOT datistemplate ORDER BY datname",
    );
    for (const { datname } of rows) {
      try {
        await textOfTables(await administration.pool(name, datname), `${name}/${datname}`, search);
      } catch (error) {
        unreadable.push(`the database ${name}/${datname}: ${(error as Error).message}`);
      } finally {
        // One for each tenant with a database of its own would be too many to keep.
        if (datname !== sharedDatabase && datname !== "postgres") await administration.forget(name, datname);
      }
    }
  }
  return unreadable;
}

/** Looks at the rows of all tables of one database, after a checkpoint that puts them to the disk too. */
export async function textOfTables(pool: WriterPool, database: string, search: Search): Promise<void> {
  // Only who is let may ask for one; then the files follow a little later.
  await pool.query("CHECKPOINT").catch(() => {});
  const { rows } = await pool.query<{ schema: string; name: string }>(
    `SELECT nspname AS schema, relname AS name FROM pg_class JOIN pg_namespace n ON n.oid = relnamespace
     WHERE relkind = 'r' AND nspname <> 'information_schema' AND nspname !~ '^pg_'
       AND has_table_privilege(pg_class.oid, 'SELECT') ORDER BY 1, 2`,
  );
  for (const { schema, name } of rows) {
    const table = `${quoteIdentifier(schema)}.${quoteIdentifier(name)}`;
    const push = search.open("database rows", `${database}: ${schema}.${name}`);
    await readRows(pool, table, push).catch(unlessDropped);
  }
}

async function readRows(pool: WriterPool, table: string, push: (piece: Uint8Array) => void): Promise<void> {
  await pool.transaction(async (client) => {
    await client.query(`DECLARE all_rows NO SCROLL CURSOR FOR SELECT t::text AS row FROM ONLY ${table} t`);
    for (;;) {
      const { rows } = await client.query<{ row: string }>(`FETCH ${batchRows} FROM all_rows`);
      if (rows.length === 0) return;
      push(Buffer.from(rows.map(({ row }) => row).join("\n")));
    }
  });
}

/** A table that was dropped since the list was made has nothing to show. */
function unlessDropped(error: unknown): void {
  if ((error as { code?: unknown }).code !== "42P01") throw error;
}
