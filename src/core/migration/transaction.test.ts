import { describe, expect, it } from "vitest";
import { countStatements, runsOutsideTransaction } from "./transaction.ts";

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
