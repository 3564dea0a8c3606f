import { describe, expect, it } from "vitest";
import { changesRole, controlsTransaction, countStatements, runsOutsideTransaction } from "./transaction.ts";

describe("a migration outside a transaction", () => {
  it.each([
    ["-- rowhouse: no-transaction\nCREATE INDEX CONCURRENTLY a ON b (c);", true],
    ["-- Why.\n  --rowhouse:no-transaction  \nVACUUM;", true],
    ["CREATE TABLE a (b text); -- rowhouse: no-transaction", false],
    ["SELECT '-- rowhouse: no-transaction';", false],
    ["-- rowhouse: no-transactions", false],
  ])("is told by its comment: %j", (sql, expected) => {
    expect(runsOutsideTransaction(sql)).toBe(expected);
  });

  it.each([
    ["", 0],
    ["-- nothing; at all", 0],
    ["SELECT 1", 1],
    ["SELECT 1;;\n;", 1],
    ["SELECT ';'; SELECT $$;$$ -- ;", 2],
    ["CREATE INDEX CONCURRENTLY IF NOT EXISTS a ON b (c);", 1],
  ])("has its statements counted: %j", (sql, count) => {
    expect(countStatements(sql)).toBe(count);
  });
});

describe("a migration that begins or ends a transaction", () => {
  it.each([
    ["BEGIN; CREATE TABLE a (); COMMIT;", true],
    ["CREATE TABLE a (); commit", true],
    ["START TRANSACTION", true],
    ["ROLLBACK TO SAVEPOINT a", true],
    ["DO $$ BEGIN PERFORM 1; END $$;", false],
    ["CREATE FUNCTION one() RETURNS int BEGIN ATOMIC SELECT 1; SELECT 2; END;", false],
    ["-- COMMIT\nCREATE TABLE commit ()", false],
  ])("is seen: %j", (sql, expected) => {
    expect(controlsTransaction(sql)).toBe(expected);
  });
});

describe("a migration that leaves its tenant's owner", () => {
  it.each([
    ["SET ROLE other", true],
    ["CREATE TABLE a (); RESET ROLE;", true],
    ['set local "role" = x', true],
    ["SET SESSION AUTHORIZATION DEFAULT", true],
    ["RESET ALL", true],
    ["DISCARD ALL", true],
    ["SET lock_timeout = '1s'; SET LOCAL work_mem = '1MB'", false],
    ["CREATE TABLE role (all_of text); UPDATE a SET role = 'x'", false],
    ["-- SET ROLE other", false],
  ])("is seen: %j", (sql, expected) => {
    expect(changesRole(sql)).toBe(expected);
  });
});
