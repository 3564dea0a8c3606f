import type pg from "pg";
import { quoteIdentifier } from "../identifier.ts";
import { qualifiedName } from "../tables.ts";

/** What stands in the way of writing another schema's rows as they are, and how to have it again afterwards. */
interface Relaxation {
  readonly relax: string;
  readonly restore: string;
}

interface Finding {
  readonly kind: "identity" | "trigger";
  readonly table: string;
  readonly name: string;
  readonly when: "ALWAYS" | "REPLICA" | null;
}

/**
 * Of the source's tables, read anew each time: the target's are the same but for what was relaxed. Identities that
 * refuse a value of one's own, and triggers that run on replicas too.
 */
async function findRelaxations(
  source: pg.ClientBase,
  sourceSchema: string,
  schema: string,
): Promise<Relaxation[]> {
  const { rows } = await source.query<Finding>(findingsQuery, [sourceSchema]);
  return rows.map(({ kind, table, name, when }) => {
    const alter = `ALTER TABLE ONLY ${qualifiedName(schema, table)}`;
    if (kind === "trigger") {
      const trigger = `TRIGGER ${quoteIdentifier(name)}`;
      return { relax: `${alter} DISABLE ${trigger}`, restore: `${alter} ENABLE ${when} ${trigger}` };
    }
    const column = `${alter.replace("ONLY ", "")} ALTER COLUMN ${quoteIdentifier(name)} SET GENERATED`;
    return { relax: `${column} BY DEFAULT`, restore: `${column} ALWAYS` };
  });
}

const findingsQuery = `
  WITH own AS (
    SELECT oid, relname AS table, relispartition AS is_partition FROM pg_class
    WHERE relnamespace = (SELECT oid FROM pg_namespace WHERE nspname = $1) AND relkind IN ('r', 'p'))
  SELECT 'identity' AS kind, own.table, attname AS name, NULL AS "when" FROM own
    JOIN pg_attribute ON attrelid = own.oid WHERE attidentity = 'a' AND NOT attisdropped AND NOT is_partition
  UNION ALL
  SELECT 'trigger', own.table, tgname, CASE tgenabled WHEN 'A' THEN 'ALWAYS' ELSE 'REPLICA' END FROM own
    JOIN pg_trigger ON tgrelid = own.oid WHERE tgenabled IN ('A', 'R') AND NOT tgisinternal
  ORDER BY 1, 2, 3`;

/** Makes the target take rows as they are; `target` is the owner's connection. Safe to repeat. */
export async function relax(parts: RelaxParts): Promise<void> {
  for (const { relax } of await findRelaxations(parts.source, parts.sourceSchema, parts.schema))
    await parts.target.query(relax);
}

/** Takes {@link relax} back. */
export async function restoreRelaxed(parts: RelaxParts): Promise<void> {
  const found = await findRelaxations(parts.source, parts.sourceSchema, parts.schema);
  const sql = found.map(({ restore }) => restore);
  if (sql.length > 0) await parts.target.query(sql.join(";\n"));
}

interface RelaxParts {
  readonly source: pg.ClientBase;
  readonly sourceSchema: string;
  readonly target: pg.ClientBase;
  readonly schema: string;
}
