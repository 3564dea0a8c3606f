import type pg from "pg";
import { quoteIdentifier } from "./identifier.ts";
import { inSchema } from "./schema-session.ts";
import { qualifiedName } from "./tables.ts";

interface CheckedConstraint {
  readonly name: string;
  /** `f`: foreign key. */
  readonly kind: string;
  readonly table: string;
  readonly columns: readonly string[];
  readonly isRoot: boolean;
  readonly referenced: string | null;
  readonly referencedIsRoot: boolean | null;
  readonly referencedColumns: readonly string[];
  readonly matchesFull: boolean;
}

/**
 * The names of constraints that the rows break, of those that Postgres checks by triggers, which don't fire where
 * `session_replication_role` is `replica`: foreign keys, and deferrable unique keys. What is NOT VALID is passed over.
 */
export async function checkConstraints(client: pg.ClientBase, schema: string): Promise<string[]> {
  return inSchema(client, schema, async () => {
    const { rows } = await client.query<CheckedConstraint>(constraintsQuery, [schema]);
    const violated: string[] = [];
    for (const constraint of rows) {
      const query = constraint.kind === "f" ? orphans(schema, constraint) : duplicates(schema, constraint);
      if ((await client.query(`${query} LIMIT 1`)).rowCount) violated.push(`"${constraint.name}"`);
    }
    return violated;
  });
}

const constraintsQuery = `
  SELECT con.conname AS name, con.contype AS kind, class.relname AS table, class.relkind = 'p' AS "isRoot",
    other.relname AS referenced, other.relkind = 'p' AS "referencedIsRoot", con.confmatchtype = 'f' AS "matchesFull",
    (SELECT json_agg(attname ORDER BY position) FROM unnest(conkey) WITH ORDINALITY AS key(number, position)
       JOIN pg_attribute ON attrelid = conrelid AND attnum = number) AS columns,
    coalesce((SELECT json_agg(attname ORDER BY position) FROM unnest(confkey) WITH ORDINALITY AS key(number, position)
       JOIN pg_attribute ON attrelid = confrelid AND attnum = number), '[]') AS "referencedColumns"
  FROM pg_constraint AS con JOIN pg_class AS class ON class.oid = conrelid
  LEFT JOIN pg_class AS other ON other.oid = confrelid
  WHERE con.connamespace = (SELECT oid FROM pg_namespace WHERE nspname = $1) AND con.conparentid = 0 AND con.convalidated
    AND (con.contype = 'f' AND pg_get_constraintdef(con.oid) !~ '\\mPERIOD\\M' OR con.contype IN ('p', 'u') AND con.condeferrable)
  ORDER BY con.conname COLLATE "C"`;

function rowsOf(schema: string, table: string, isRoot: boolean | null): string {
  return `${isRoot ? "" : "ONLY "}${qualifiedName(schema, table)}`;
}

function orphans(schema: string, constraint: CheckedConstraint): string {
  const { columns, referenced, referencedColumns, matchesFull } = constraint;
  const own = columns.map((column) => `own.${quoteIdentifier(column)}`);
  const equal = own.map((column, index) => {
    const other = referencedColumns[index] ?? "";
    return `other.${quoteIdentifier(other)} = ${column}`;
  });
  const complete = own.map((column) => `${column} IS NOT NULL`).join(" AND ");
  const partial = own.map((column) => `${column} IS NOT NULL`).join(" OR ");
  const target = rowsOf(schema, referenced ?? "", constraint.referencedIsRoot);
  const orphan = `(${complete}) AND NOT EXISTS (SELECT FROM ${target} AS other WHERE ${equal.join(" AND ")})`;
  return `SELECT FROM ${rowsOf(schema, constraint.table, constraint.isRoot)} AS own
    WHERE ${orphan}${matchesFull ? ` OR (${partial}) AND NOT (${complete})` : ""}`;
}

function duplicates(schema: string, { table, isRoot, columns }: CheckedConstraint): string {
  const names = columns.map((column) => quoteIdentifier(column));
  const complete = names.map((name) => `${name} IS NOT NULL`).join(" AND ");
  return `SELECT FROM ${rowsOf(schema, table, isRoot)} WHERE ${complete}
    GROUP BY ${names.join(", ")} HAVING count(*) > 1`;
}
