import type pg from "pg";
import { quoteIdentifier } from "./identifier.ts";

/** Settings under which the same rows and definitions read the same on every server, whatever its defaults are. */
const pinned = {
  TimeZone: "UTC",
  DateStyle: "ISO, YMD",
  IntervalStyle: "postgres",
  extra_float_digits: "1",
  bytea_output: "hex",
  xmlbinary: "base64",
  xmloption: "content",
  lc_monetary: "C",
  quote_all_identifiers: "off",
  client_encoding: "UTF8",
  // What a policy would hide fails instead of being left out.
  row_security: "off",
  synchronize_seqscans: "off",
  statement_timeout: "0",
  idle_in_transaction_session_timeout: "0",
  jit: "off",
} as const;

/**
 * Runs `work` on the connection as {@link enterSchema} sets it up. The connection is as before afterwards; in a
 * transaction that failed, its rollback does that.
 */
export async function inSchema<T>(client: pg.ClientBase, schema: string, work: () => Promise<T>): Promise<T> {
  const before = await enterSchema(client, schema);
  try {
    return await work();
  } finally {
    await configure(client, before).catch(() => {});
  }
}

/**
 * Makes the connection act as the schema's owner, with the schema alone as search path and with settings that make
 * output independent of the server: names inside the schema come unqualified, times in UTC, floats exact. What a schema
 * defines itself (operators, functions of its constraints) then has its owner's rights and not an administrator's. A
 * schema that is not there is one without anything in it. Returns the settings that were.
 */
export async function enterSchema(
  client: pg.ClientBase,
  schema: string,
): Promise<Readonly<Record<string, string>>> {
  const { rows } = await client.query<{ owner: string | null; before: Record<string, string> }>(
    `SELECT (SELECT pg_catalog.pg_get_userbyid(nspowner) FROM pg_catalog.pg_namespace WHERE nspname = $1) AS owner,
            (SELECT pg_catalog.json_object_agg(name, pg_catalog.current_setting(name))
               FROM pg_catalog.unnest($2::text[]) AS names(name)) AS before`,
    [schema, [...Object.keys(pinned), "search_path", "role"]],
  );
  const { owner = null, before = {} } = rows[0] ?? {};
  const role = owner ?? before.role ?? "none";
  await configure(client, { ...pinned, search_path: quoteIdentifier(schema), role });
  return before;
}

/** `role` last: from then on the connection has that role's rights. */
async function configure(client: pg.ClientBase, settings: Readonly<Record<string, string>>): Promise<void> {
  const { role, ...others } = settings;
  const entries = Object.entries(role === undefined ? others : { ...others, role });
  await client.query(
    `SELECT pg_catalog.set_config(name, value, false)
     FROM ROWS FROM (pg_catalog.unnest($1::text[]), pg_catalog.unnest($2::text[])) AS settings(name, value)`,
    [entries.map(([name]) => name), entries.map(([, value]) => value)],
  );
}
