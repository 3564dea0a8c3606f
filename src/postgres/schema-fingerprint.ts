import { createHash } from "node:crypto";
import type pg from "pg";
import { inSchema } from "./schema-session.ts";

/**
 * Everything that a schema defines, a line each, sorted by bytes: tables with columns, constraints, indexes, triggers,
 * policies and rules; views, sequences, types, functions, statistics, extensions. Lines say nothing of the schema's own
 * name, of roles, or of rows, so that two schemas made by the same migrations have the same ones. `except` are tables
 * to leave out, with what hangs on them.
 */
export async function describeSchema(
  client: pg.ClientBase,
  schema: string,
  except: readonly string[] = [],
): Promise<string[]> {
  return inSchema(client, schema, async () => {
    const { rows } = await client.query<{ line: string }>(
      `WITH ${sources} SELECT line FROM (${Object.values(lines).join("\nUNION ALL\n")}) AS lines (line)
       ORDER BY line COLLATE "C"`,
      [schema, except],
    );
    return rows.map(({ line }) => line);
  });
}

/** Hex SHA-256 of the description's lines, each ended by a line feed. */
export function fingerprintOf(description: readonly string[]): string {
  const hash = createHash("sha256");
  for (const line of description) hash.update(`${line}\n`);
  return hash.digest("hex");
}

/** What two schemas have in common when they define the same. */
export async function schemaFingerprint(
  client: pg.ClientBase,
  schema: string,
  except: readonly string[] = [],
): Promise<string> {
  return fingerprintOf(await describeSchema(client, schema, except));
}

/** What belongs to the schema itself; an extension's objects are the extension's. */
const sources = `
  space AS (SELECT oid, nspname FROM pg_namespace WHERE nspname = $1),
  extended AS (SELECT classid, objid FROM pg_depend WHERE deptype = 'e'),
  relation AS (
    SELECT class.* FROM pg_class AS class JOIN space ON space.oid = class.relnamespace
    WHERE class.relname <> ALL ($2::text[])
      AND (class.relkind NOT IN ('i', 'I') OR NOT EXISTS (
        SELECT FROM pg_index JOIN pg_class AS indexed ON indexed.oid = indrelid
        WHERE indexrelid = class.oid AND indexed.relname = ANY ($2::text[])))
      AND NOT EXISTS (SELECT FROM extended WHERE classid = 'pg_class'::regclass AND objid = class.oid)),
  routine AS (
    SELECT proc.* FROM pg_proc AS proc JOIN space ON space.oid = proc.pronamespace
    WHERE NOT EXISTS (SELECT FROM extended WHERE classid = 'pg_proc'::regclass AND objid = proc.oid)),
  kind AS (
    SELECT type.* FROM pg_type AS type JOIN space ON space.oid = type.typnamespace
    WHERE NOT EXISTS (SELECT FROM extended WHERE classid = 'pg_type'::regclass AND objid = type.oid))`;

/**
 * A JSON array a line: nothing that a definition holds can look like the border between two parts. NOT NULL is the
 * column's, for Postgres before 18 keeps no constraint of it.
 */
const lines = {
  relations: `
    SELECT json_build_array('relation', relname, relkind, relpersistence, relrowsecurity, relforcerowsecurity,
      relreplident, reloptions, CASE WHEN relkind = 'p' THEN pg_get_partkeydef(oid) END,
      CASE WHEN relispartition THEN pg_get_expr(relpartbound, oid, true) END,
      (SELECT json_agg(inhparent::regclass::text ORDER BY inhseqno) FROM pg_inherits WHERE inhrelid = relation.oid),
      CASE WHEN reloftype <> 0 THEN reloftype::regtype::text END,
      CASE WHEN relkind IN ('v', 'm') THEN pg_get_viewdef(oid, true) END)::text
    FROM relation WHERE relkind IN ('r', 'p', 'v', 'm', 'f', 'c')`,
  columns: `
    SELECT json_build_array('column', relname, attname,
      row_number() OVER (PARTITION BY attrelid ORDER BY attnum), format_type(atttypid, atttypmod), attnotnull,
      attidentity, attgenerated, pg_get_expr(adbin, adrelid, true), coll.collname)::text
    FROM relation JOIN pg_attribute ON attrelid = relation.oid AND attnum > 0 AND NOT attisdropped
    LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
    LEFT JOIN pg_type AS type ON type.oid = atttypid
    LEFT JOIN pg_collation AS coll ON coll.oid = attcollation AND attcollation <> type.typcollation
    WHERE relkind IN ('r', 'p', 'v', 'm', 'f', 'c')`,
  constraints: `
    SELECT json_build_array('constraint', relname, conname, pg_get_constraintdef(con.oid, true), convalidated)::text
    FROM relation JOIN pg_constraint AS con ON conrelid = relation.oid WHERE contype <> 'n'`,
  indexes: `
    SELECT json_build_array('index', relname, pg_get_indexdef(indexrelid, 0, true), indisvalid, indisclustered,
      indisreplident, indnullsnotdistinct)::text
    FROM relation JOIN pg_index ON indexrelid = relation.oid`,
  triggers: `
    SELECT json_build_array('trigger', relname, tgname, pg_get_triggerdef(trigger.oid, true), tgenabled)::text
    FROM relation JOIN pg_trigger AS trigger ON tgrelid = relation.oid WHERE NOT tgisinternal`,
  policies: `
    SELECT json_build_array('policy', relname, polname, polcmd, polpermissive, pg_get_expr(polqual, polrelid, true),
      pg_get_expr(polwithcheck, polrelid, true))::text
    FROM relation JOIN pg_policy ON polrelid = relation.oid`,
  rules: `
    SELECT json_build_array('rule', relname, rulename, pg_get_ruledef(rule.oid, true), ev_enabled)::text
    FROM relation JOIN pg_rewrite AS rule ON ev_class = relation.oid WHERE rulename <> '_RETURN'`,
  sequences: `
    SELECT json_build_array('sequence', relname, format_type(seqtypid, NULL), seqstart, seqincrement, seqmin, seqmax,
      seqcache, seqcycle, (
        SELECT owner.relname || '.' || attname FROM pg_depend JOIN pg_class AS owner ON owner.oid = refobjid
        JOIN pg_attribute ON attrelid = refobjid AND attnum = refobjsubid
        WHERE classid = 'pg_class'::regclass AND objid = relation.oid AND refclassid = 'pg_class'::regclass
          AND deptype IN ('a', 'i')))::text
    FROM relation JOIN pg_sequence ON seqrelid = relation.oid`,
  types: `
    SELECT json_build_array('type', typname, typtype,
      (SELECT json_agg(enumlabel ORDER BY enumsortorder) FROM pg_enum WHERE enumtypid = kind.oid),
      CASE WHEN typtype = 'd' THEN json_build_array(format_type(typbasetype, typtypmod), typnotnull, typdefault,
        (SELECT collname FROM pg_collation WHERE oid = typcollation)) END,
      (SELECT json_build_array(format_type(rngsubtype, NULL), format_type(rngmultitypid, NULL))
         FROM pg_range WHERE rngtypid = kind.oid))::text
    FROM kind WHERE typtype IN ('d', 'e', 'r')`,
  domains: `
    SELECT json_build_array('domain', typname, conname, pg_get_constraintdef(con.oid, true), convalidated)::text
    FROM kind JOIN pg_constraint AS con ON contypid = kind.oid`,
  functions: `
    SELECT json_build_array('function', proname, prokind, pg_get_function_arguments(routine.oid),
      pg_get_function_result(routine.oid), lanname, provolatile, proisstrict, prosecdef, proleakproof, proparallel,
      procost, prorows,
      (SELECT json_agg(CASE WHEN setting IN ('search_path=' || nspname, 'search_path=' || quote_ident(nspname))
         THEN 'search_path=<own>' ELSE setting END ORDER BY setting) FROM unnest(proconfig) AS setting),
      prosrc, probin, pg_get_function_sqlbody(routine.oid),
      (SELECT json_build_array(aggtransfn, aggfinalfn, aggcombinefn, format_type(aggtranstype, NULL), agginitval)
         FROM pg_aggregate WHERE aggfnoid = routine.oid))::text
    FROM routine CROSS JOIN space JOIN pg_language AS language ON language.oid = prolang`,
  statistics: `
    SELECT json_build_array('statistics', stxname, indexed.relname,
      array_to_string(pg_get_statisticsobjdef_expressions(statistics.oid), ', '), stxkind,
      (SELECT json_agg(attname ORDER BY attnum) FROM pg_attribute
         WHERE attrelid = stxrelid AND attnum = ANY (stxkeys::int2[])))::text
    FROM pg_statistic_ext AS statistics JOIN space ON space.oid = stxnamespace
    JOIN relation AS indexed ON indexed.oid = stxrelid`,
  extensions: `
    SELECT json_build_array('extension', extname)::text
    FROM pg_extension JOIN space ON space.oid = extnamespace WHERE extname <> 'plpgsql'`,
} as const;
