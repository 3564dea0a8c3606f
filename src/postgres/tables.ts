import type pg from "pg";
import { quoteIdentifier } from "./identifier.ts";
import { inSchema } from "./schema-session.ts";

/** A column as the catalog has it. */
export interface ColumnDescription {
  readonly name: string;
  /** As in `numeric(10,2)`; a type of the schema itself without the schema's name. */
  readonly type: string;
  readonly nullable: boolean;
  /** Computed from the others: it is never written, and not in an archive. */
  readonly generated: boolean;
}

/** A table whose rows are its own: one that stands alone, is inherited from, or the root of partitions. */
export interface TableDescription {
  readonly name: string;
  /** Its rows are its partitions'. */
  readonly partitioned: boolean;
  readonly columns: readonly ColumnDescription[];
  /** Empty when there is none. */
  readonly primaryKey: readonly string[];
}

/**
 * The tables of a schema in the order of their names' bytes, without partitions (the root stands for them), foreign
 * tables, and what belongs to extensions.
 */
export async function listTables(client: pg.ClientBase, schema: string): Promise<TableDescription[]> {
  return inSchema(client, schema, async () => {
    const { rows } = await client.query<TableDescription>(tablesQuery, [schema]);
    return rows;
  });
}

const tablesQuery = `
  SELECT class.relname AS name, class.relkind = 'p' AS partitioned,
    coalesce((
      SELECT json_agg(json_build_object(
        'name', attname, 'type', format_type(atttypid, atttypmod),
        'nullable', NOT attnotnull, 'generated', attgenerated <> '') ORDER BY attnum)
      FROM pg_attribute WHERE attrelid = class.oid AND attnum > 0 AND NOT attisdropped), '[]') AS columns,
    coalesce((
      SELECT json_agg(attname ORDER BY position)
      FROM pg_constraint, unnest(conkey) WITH ORDINALITY AS key(number, position)
      JOIN pg_attribute ON attrelid = class.oid AND attnum = key.number
      WHERE conrelid = class.oid AND contype = 'p'), '[]') AS "primaryKey"
  FROM pg_class AS class JOIN pg_namespace AS namespace ON namespace.oid = class.relnamespace
  WHERE namespace.nspname = $1 AND class.relkind IN ('r', 'p') AND NOT class.relispartition
    AND NOT EXISTS (
      SELECT FROM pg_depend WHERE classid = 'pg_class'::regclass AND objid = class.oid AND deptype = 'e')
  ORDER BY class.relname COLLATE "C"`;

/** The names of the columns that hold data of their own, in the table's order. */
export function storedColumns(table: Pick<TableDescription, "columns">): string[] {
  return table.columns.filter((column) => !column.generated).map((column) => column.name);
}

/** What a query reads the table's own rows from: without those of tables that inherit from it. */
export function ownRows(schema: string, table: Pick<TableDescription, "name" | "partitioned">): string {
  const name = qualifiedName(schema, table.name);
  return table.partitioned ? name : `ONLY ${name}`;
}

/** The table's name with its schema, quoted. */
export function qualifiedName(schema: string, name: string): string {
  return `${quoteIdentifier(schema)}.${quoteIdentifier(name)}`;
}
