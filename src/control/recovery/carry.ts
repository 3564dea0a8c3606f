import { quoteIdentifier } from "../../postgres/identifier.ts";
import type { Queryable } from "../../postgres/pool.ts";

/** A table of the control database that says something of tenants. */
interface CarriedTable {
  readonly schema: "public" | "engine";
  readonly table: string;
  /** Whose a row is. */
  readonly slug: "slug" | "tenant";
}

/** What goes along with a tenant as it is; data locations don't: their logins are sealed for the lost region. */
const carriedTables: readonly CarriedTable[] = [
  { schema: "public", table: "profiles", slug: "slug" },
  { schema: "public", table: "administrators", slug: "slug" },
  { schema: "public", table: "closings", slug: "slug" },
  { schema: "public", table: "audit", slug: "slug" },
  { schema: "engine", table: "outbox", slug: "tenant" },
  { schema: "engine", table: "queue_messages", slug: "tenant" },
];

/**
 * Copies what the lost region's control database says of these tenants into this region's. What is there already stays,
 * so that a repeat brings nothing twice. A table that an engine keeps elsewhere is left out.
 */
export async function carryTenants(
  from: Queryable,
  into: Queryable,
  slugs: readonly string[],
): Promise<void> {
  for (const carried of carriedTables) {
    const columns = await commonColumns(from, into, carried);
    if (columns.length === 0) continue;
    const table = `${quoteIdentifier(carried.schema)}.${quoteIdentifier(carried.table)}`;
    const { rows } = await from.query<{ all: unknown }>(
      `SELECT coalesce(jsonb_agg(to_jsonb(t)), '[]') AS all FROM ${table} t WHERE ${quoteIdentifier(carried.slug)} = ANY ($1)`,
      [slugs],
    );
    const list = columns.map(quoteIdentifier).join(", ");
    await into.query(
      `INSERT INTO ${table} (${list}) SELECT ${list} FROM jsonb_populate_recordset(NULL::${table}, $1) ON CONFLICT DO NOTHING`,
      [JSON.stringify(rows[0]?.all ?? [])],
    );
  }
}

/** How many mails of these tenants are not sent yet, and how many messages wait: `null` where an engine has them elsewhere. */
export async function countPending(
  pool: Queryable,
  slugs: readonly string[],
): Promise<{ readonly mail: number | null; readonly messages: number | null }> {
  const count = async (table: string, condition: string): Promise<number | null> => {
    const { rows } = await pool.query<{ has: boolean }>("SELECT to_regclass($1) IS NOT NULL AS has", [table]);
    if (!rows[0]?.has) return null;
    const counted = await pool.query<{ count: number }>(
      `SELECT count(*)::int AS count FROM ${table} WHERE tenant = ANY ($1) AND ${condition}`,
      [slugs],
    );
    return counted.rows[0]?.count ?? 0;
  };
  return {
    mail: await count("engine.outbox", "status = 'queued'"),
    messages: await count("engine.queue_messages", "dead_at IS NULL"),
  };
}

/** The two regions may be of different versions for a while. Numbers that a table gives itself are not copied. */
async function commonColumns(from: Queryable, into: Queryable, table: CarriedTable): Promise<string[]> {
  const columnsOf = async (pool: Queryable) => {
    const { rows } = await pool.query<{ name: string }>(
      `SELECT attname AS name FROM pg_attribute WHERE attrelid = to_regclass($1) AND attnum > 0
         AND NOT attisdropped AND attidentity = '' AND attgenerated = '' ORDER BY attnum`,
      [`${table.schema}.${table.table}`],
    );
    return rows.map(({ name }) => name);
  };
  const [theirs, ours] = await Promise.all([columnsOf(from), columnsOf(into)]);
  return ours.filter((name) => theirs.includes(name));
}
