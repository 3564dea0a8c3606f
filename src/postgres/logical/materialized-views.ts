import type pg from "pg";
import { qualifiedName } from "../tables.ts";

/** Fills the target's materialized views from its rows, those that are filled at the source; older ones first. */
export async function refreshViews(parts: {
  readonly reader: pg.ClientBase;
  readonly sourceSchema: string;
  /** The connection of the target's owner. */
  readonly writer: pg.ClientBase;
  readonly schema: string;
}): Promise<void> {
  const { rows } = await parts.reader.query<{ name: string }>(
    `SELECT relname AS name FROM pg_class WHERE relkind = 'm' AND relispopulated
       AND relnamespace = (SELECT oid FROM pg_namespace WHERE nspname = $1) ORDER BY oid`,
    [parts.sourceSchema],
  );
  for (const { name } of rows)
    await parts.writer.query(`REFRESH MATERIALIZED VIEW ${qualifiedName(parts.schema, name)}`);
}
