import type pg from "pg";
import { quoteIdentifier } from "./identifier.ts";
import { inSchema } from "./schema-session.ts";
import { listTables, ownRows, type TableDescription } from "./tables.ts";

/** What tells two tables' rows apart without comparing them. */
export interface TableChecksum {
  readonly rows: number;
  /** Decimal; the sum of a 64-bit hash of each row, so that the rows' order does not matter. */
  readonly checksum: string;
}

/**
 * Row count and checksum of tables, by name. Hashed is a row's values in the order of the stored columns' names:
 * two tables with the same rows have the same checksum wherever they are, whatever the schema's name and the server's
 * settings. (Equal is what Postgres calls equal: 1.0 is 1.00.) Every row is read; at one snapshot when the connection is in a REPEATABLE READ transaction. It
 * finds what went wrong on the way; against somebody who forges rows on purpose it is too short.
 */
export async function tableChecksums(
  client: pg.ClientBase,
  schema: string,
  tables?: readonly TableDescription[],
): Promise<Map<string, TableChecksum>> {
  const wanted = tables ?? (await listTables(client, schema));
  return inSchema(client, schema, async () => {
    const found = new Map<string, TableChecksum>();
    for (const table of wanted) {
      const { rows } = await client.query<{ rows: string; checksum: string }>(checksumQuery(schema, table));
      const { rows: count = "0", checksum = "0" } = rows[0] ?? {};
      found.set(table.name, { rows: Number(count), checksum });
    }
    return found;
  });
}

function checksumQuery(schema: string, table: TableDescription): string {
  const columns = table.columns
    .filter(({ generated }) => !generated)
    .toSorted((a, b) => (a.name < b.name ? -1 : 1))
    .map(({ name, type }) => quoteIdentifier(name) + (hashedAsTheyAre.test(type) ? "" : "::text"));
  return `SELECT count(*) AS rows, coalesce(sum(hash_record_extended(ROW(${columns.join(", ")}), 0)), 0)::text AS checksum
    FROM ${ownRows(schema, table)}`;
}

/**
 * The built-in types whose hash is of the value alone. Of the others some have none, and an enum's is of a number that
 * its database gave it: they are hashed as text, which takes three times as long. A type of the schema itself that is
 * named like one of these is quoted by Postgres, or shown with its schema.
 */
const hashedAsTheyAre =
  /^(smallint|integer|bigint|boolean|text|character varying(\(\d+\))?|uuid|bytea|numeric(\(\d+,-?\d+\))?|real|double precision|date|timestamp(\(\d\))? with(out)? time zone)$/;
