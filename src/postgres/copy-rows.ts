import type { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import type pg from "pg";
import { from } from "pg-copy-streams";
import { CopyOut } from "./copy-out.ts";
import { quoteIdentifier } from "./identifier.ts";
import { ownRows, qualifiedName, storedColumns, type TableDescription } from "./tables.ts";

/** Postgres's text format with a line of column names: rows end in LF, columns are apart by tabs, NULL is `\N`. */
const format = "FORMAT text, HEADER";

/** The connection reads this and nothing else until the stream has ended; its `rowCount` tells the rows then. */
export function copyRowsOut(client: pg.ClientBase, schema: string, table: TableDescription): CopyOut {
  const columns = columnList(table);
  const rows = table.partitioned
    ? `(SELECT ${columns} FROM ${ownRows(schema, table)})`
    : `${qualifiedName(schema, table.name)} (${columns})`;
  return client.query(new CopyOut(`COPY ${rows} TO STDOUT (${format})`));
}

/**
 * Writes rows into a table and returns how many these were. A source that fails leaves the transaction failed.
 * `isTruncatedNow`: in this transaction, so that nobody sees the rows before its end and they can be written as old ones
 * at once.
 */
export async function copyRowsIn(
  client: pg.ClientBase,
  source: Readable,
  target: { readonly schema: string; readonly table: TableDescription; readonly isTruncatedNow: boolean },
): Promise<number> {
  const { schema, table, isTruncatedNow } = target;
  const freeze = isTruncatedNow && !table.partitioned ? ", FREEZE" : "";
  const sink = client.query(
    from(
      `COPY ${qualifiedName(schema, table.name)} (${columnList(table)}) FROM STDIN (${format} MATCH${freeze})`,
    ),
  );
  await pipeline(source, sink);
  return sink.rowCount;
}

function columnList(table: TableDescription): string {
  return storedColumns(table)
    .map((column) => quoteIdentifier(column))
    .join(", ");
}
