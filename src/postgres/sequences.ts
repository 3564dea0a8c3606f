import type pg from "pg";
import { quoteLiteral } from "./identifier.ts";
import { inSchema } from "./schema-session.ts";
import { qualifiedName } from "./tables.ts";

/** Where a sequence stands. */
export interface SequenceValue {
  readonly name: string;
  /** Decimal: it may be past what a number holds exactly. */
  readonly lastValue: string;
  /** False: `lastValue` itself is the next one. */
  readonly isCalled: boolean;
}

/** All sequences of a schema in the order of their names' bytes. They have no snapshot: the values are the newest. */
export async function readSequences(client: pg.ClientBase, schema: string): Promise<SequenceValue[]> {
  return inSchema(client, schema, async () => {
    const { rows } = await client.query<{ name: string }>(
      `SELECT relname AS name FROM pg_class WHERE relkind = 'S'
         AND relnamespace = (SELECT oid FROM pg_namespace WHERE nspname = $1)
       ORDER BY relname COLLATE "C"`,
      [schema],
    );
    if (rows.length === 0) return [];
    const each = rows.map(
      ({ name }) =>
        `SELECT ${quoteLiteral(name)} AS name, last_value::text AS "lastValue", is_called AS "isCalled"
         FROM ${qualifiedName(schema, name)}`,
    );
    const values = await client.query<SequenceValue>(each.join(" UNION ALL "));
    return values.rows;
  });
}

/** Sets sequences that are there to these values, in the transaction that the connection is in. */
export async function setSequences(
  client: pg.ClientBase,
  schema: string,
  values: readonly SequenceValue[],
): Promise<void> {
  if (values.length === 0) return;
  await inSchema(client, schema, async () => {
    await client.query(
      `SELECT setval(name::regclass, value, called)
       FROM unnest($1::text[], $2::bigint[], $3::boolean[]) AS sequences(name, value, called)`,
      [
        values.map(({ name }) => qualifiedName(schema, name)),
        values.map(({ lastValue }) => lastValue),
        values.map(({ isCalled }) => isCalled),
      ],
    );
  });
}
