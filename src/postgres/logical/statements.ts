import { quoteIdentifier, quoteLiteral } from "../identifier.ts";
import { qualifiedName } from "../tables.ts";
import type { Relation, Value } from "./pgoutput.ts";

/** SQL for one change, and how many rows it must change: another number says that the copy differs. */
export interface Statement {
  readonly sql: string;
  readonly rows: number;
}

type Row = readonly Value[];

/**
 * SQL for rows that were added one after the other. Values are literals without a type: Postgres reads each as its
 * column's type does.
 */
export function insertStatement(schema: string, relation: Relation, rows: readonly Row[]): Statement {
  const target = qualifiedName(schema, relation.name);
  if (relation.columns.length === 0)
    return { sql: `INSERT INTO ${target} SELECT FROM generate_series(1, ${rows.length})`, rows: rows.length };
  const columns = relation.columns.map(({ name }) => quoteIdentifier(name)).join(", ");
  const values = rows.map((row) => `(${row.map((value) => literal(known(value))).join(", ")})`);
  return {
    sql: `INSERT INTO ${target} (${columns}) OVERRIDING SYSTEM VALUE VALUES ${values.join(", ")}`,
    rows: rows.length,
  };
}

/** SQL for one changed row; `old` is there when its key changed, or when nothing but the whole row tells it. */
export function updateStatement(
  schema: string,
  relation: Relation,
  old: Row | undefined,
  row: Row,
): Statement {
  const target = qualifiedName(schema, relation.name);
  const assignments = relation.columns.flatMap(({ name, isKey }, index) => {
    const value = row[index];
    // Out of line and unchanged: it is there already. A key that is the same needs no entry in its index.
    if (value === undefined || (isKey && old === undefined)) return [];
    return [`${quoteIdentifier(name)} = ${literal(value)}`];
  });
  const where = whichRow(target, relation, old ?? row);
  if (assignments.length === 0) return { sql: `SELECT FROM ONLY ${target} WHERE ${where}`, rows: 1 };
  return { sql: `UPDATE ONLY ${target} SET ${assignments.join(", ")} WHERE ${where}`, rows: 1 };
}

/** SQL for rows that went. */
export function deleteStatement(schema: string, relation: Relation, rows: readonly Row[]): Statement[] {
  const target = qualifiedName(schema, relation.name);
  const key = relation.columns.findIndex(({ isKey }) => isKey);
  const isSingle = relation.columns.filter(({ isKey }) => isKey).length === 1;
  if (relation.identity !== "key" || !isSingle) {
    return rows.map((row) => ({
      sql: `DELETE FROM ONLY ${target} WHERE ${whichRow(target, relation, row)}`,
      rows: 1,
    }));
  }
  const column = quoteIdentifier(relation.columns[key]?.name ?? "");
  const keys = rows.map((row) => literal(known(row[key])));
  return [{ sql: `DELETE FROM ONLY ${target} WHERE ${column} IN (${keys.join(", ")})`, rows: rows.length }];
}

function whichRow(target: string, relation: Relation, row: Row): string {
  if (relation.identity === "key") {
    return relation.columns
      .flatMap(({ name, isKey }, index) =>
        isKey ? [`${quoteIdentifier(name)} = ${literal(known(row[index]))}`] : [],
      )
      .join(" AND ");
  }
  const same = relation.columns.map(({ name }, index) => sameText(quoteIdentifier(name), known(row[index])));
  // Of rows that are alike in everything, one is as good as another, but it must be one.
  return `ctid = (SELECT ctid FROM ONLY ${target} WHERE ${same.join(" AND ") || "true"} LIMIT 1)`;
}

/** Compares what the type's output says: not every type has an equality, and 1.0 equals 1.00 in some that have. */
function sameText(column: string, value: string | null): string {
  if (value === null) return `${column} IS NOT DISTINCT FROM NULL`;
  return `format('%s', ${column}) = ${literal(value)} AND ${column} IS DISTINCT FROM NULL`;
}

function known(value: Value): string | null {
  if (value === undefined) throw new Error("A stored value that was not sent can't be written or compared.");
  return value;
}

function literal(value: string | null): string {
  return value === null ? "NULL" : quoteLiteral(value);
}
