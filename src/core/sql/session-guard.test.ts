import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { readSessionEffect } from "./session-guard.ts";

describe("readSessionEffect refuses", () => {
  it.each([
    "SET ROLE other",
    "set\n\trole other",
    "Set Session Role other",
    "SET LOCAL ROLE other",
    'SET "Role" = other',
    "/* a /* nested */ comment */ SET ROLE other",
    "-- comment\rSET ROLE other",
    "SELECT 1; SET ROLE other",
    "SELECT ';' ; ; set role other",
    "SELECT $$;$$; SET ROLE other",
    "SELECT 'a\\'; SET ROLE other --'",
    "SELECT E'a\\''; SET ROLE other",
    "SET SESSION AUTHORIZATION other",
    "SET LOCAL SESSION AUTHORIZATION DEFAULT",
    "RESET SESSION AUTHORIZATION",
    "RESET ROLE",
    "RESET ALL",
    "RESET search_path",
    "SET search_path = other",
    "SET search_path TO other",
    "SET SCHEMA 'other'",
    "SET NAMES 'SJIS'",
    "SET client_encoding = 'SJIS'",
    "SET standard_conforming_strings = off",
    "DISCARD ALL",
    "SELECT set_config('role', 'other', false)",
    "SELECT pg_catalog . set_config ( 'ROLE' , 'other', false)",
    "SELECT \"set_config\"('search_path', $1, false)",
    "SELECT set_config($1, $2, false)",
    "SELECT set_config('ro' || 'le', 'other', false)",
    "SELECT set_config('ro'\n'le', 'other', false)",
    "SELECT set_config(E'r\\157le', 'other', false)",
    "SELECT set_config(setting_name => 'role', new_value => 'x', is_local => false)",
    "SELECT U&\"\\0073et_config\"('role', 'other', false)",
    "UPDATE pg_settings SET setting = 'other' WHERE name = 'role'",
    "WITH x AS (UPDATE pg_catalog.pg_settings SET setting = $1 RETURNING 1) SELECT * FROM x",
    "DO $$ BEGIN EXECUTE 'SET ROLE other'; END $$",
    "SELECT query_to_xml('SELECT set_config(''role'', ''x'', false)', true, true, '')",
    "CREATE OR REPLACE FUNCTION pg_temp.f() RETURNS void LANGUAGE sql AS $$ SELECT 1 $$",
    "ALTER ROLE CURRENT_USER SET search_path = other",
    "SELECT 1\0",
  ])("%s", (sql) => {
    expect(readSessionEffect(sql).refusal).toBeDefined();
  });
});

describe("readSessionEffect lets pass", () => {
  it.each([
    "UPDATE users SET role = $1, search_path = 'x' WHERE id = $2",
    "SELECT role, \"set\" FROM users WHERE note = 'SET ROLE other; RESET ALL'",
    "INSERT INTO notes (text) VALUES ($note$SET ROLE other; DISCARD ALL$note$)",
    "SELECT 1 -- ; SET ROLE other",
    "SELECT /* ; SET ROLE other */ 1",
    'SELECT "a;SET ROLE other" FROM t',
    "SET LOCAL statement_timeout = '5s'",
    "SET TRANSACTION ISOLATION LEVEL SERIALIZABLE",
    "SELECT set_config('app.user', $1, true)",
    "SELECT setting FROM pg_settings WHERE name = 'role'",
    "BEGIN",
    "ROLLBACK TO SAVEPOINT a",
    "SELECT a$b$c FROM t",
  ])("%s", (sql) => {
    expect(readSessionEffect(sql).refusal).toBeUndefined();
  });

  it("any text inside a literal or a comment", () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        const quoted = text.replaceAll("\0", "").replaceAll("'", "''");
        expect(readSessionEffect(`SELECT '${quoted}'`)).toEqual({ leavesState: false, isPlain: true });
      }),
    );
  });
});

describe("readSessionEffect", () => {
  it.each([
    ["SELECT * FROM books WHERE id = $1", false],
    ["SET statement_timeout = 1", true],
    ["LISTEN news", true],
    ["CREATE TEMP TABLE t (a int)", true],
    ["SELECT pg_advisory_lock(1)", true],
    ["SELECT pg_advisory_xact_lock(1)", false],
  ])("of %s knows whether it leaves state: %s", (sql, expected) => {
    expect(readSessionEffect(sql).leavesState).toBe(expected);
  });

  it.each([
    ["SELECT ';' -- ; SELECT 2", true],
    ["with x as (select 1) insert into t select * from x;", true],
    ["SELECT 1; SELECT ';';", false],
    ["ROLLBACK", false],
    ["/* */ BEGIN", false],
    ["CALL p()", false],
    ["  -- nothing", false],
  ])("of %s knows whether it is plain: %s", (sql, expected) => {
    expect(readSessionEffect(sql).isPlain).toBe(expected);
  });
});
