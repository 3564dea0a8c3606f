import type pg from "pg";
import { quoteIdentifier } from "../identifier.ts";
import { listRowTables, untellable } from "./publication.ts";

/**
 * What in a schema a move can't carry, each in words with its name. Empty when there is nothing. Large objects lie
 * outside schemas: those are looked for that one of `roles` owns.
 */
export async function findObstacles(
  client: pg.ClientBase,
  schema: string,
  roles: readonly string[],
): Promise<string[]> {
  const { rows } = await client.query<{ obstacle: string }>(obstaclesQuery, [schema, roles]);
  const untold = untellable(await listRowTables(client, schema)).map(
    (table) =>
      `the table ${quoteIdentifier(table)}, which has a generated column and no key of other columns to tell rows by`,
  );
  return [...rows.map(({ obstacle }) => obstacle), ...untold];
}

const obstaclesQuery = `
  WITH own AS (
    SELECT class.oid, relname AS name, relkind AS kind, relpersistence AS persistence,
      relforcerowsecurity AS forced
    FROM pg_class AS class WHERE relnamespace = (SELECT oid FROM pg_namespace WHERE nspname = $1))
  SELECT 'the unlogged table ' || quote_ident(name) AS obstacle FROM own WHERE kind = 'r' AND persistence = 'u'
  UNION ALL
  SELECT 'the foreign table ' || quote_ident(name) FROM own WHERE kind = 'f'
  UNION ALL
  SELECT 'the rule ' || quote_ident(rulename) || ' of ' || quote_ident(name) || ', which runs on replicas too'
  FROM pg_rewrite JOIN own ON own.oid = ev_class WHERE ev_enabled IN ('A', 'R')
  UNION ALL
  SELECT 'the table ' || quote_ident(name) || ', whose row security binds its owner too' FROM own WHERE forced
  UNION ALL
  SELECT 'the large object ' || object.oid FROM pg_largeobject_metadata AS object
  WHERE lomowner IN (SELECT oid FROM pg_roles WHERE rolname = ANY ($2))
  ORDER BY 1`;
