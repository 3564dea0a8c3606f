import type pg from "pg";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { createTestDatabase, type TestDatabase } from "../../test/support/database.ts";
import { migrationsOf } from "../../test/support/migrations.ts";
import { applyMigrations, type Ledger } from "./migrate.ts";

const ledger: Ledger = { ledgerSchema: "public", ledgerTable: "ledger", lockTimeoutMilliseconds: 100 };

describe("migrations", () => {
  let database: TestDatabase;
  beforeEach(async () => {
    database = await createTestDatabase();
  });
  afterEach(() => database.drop());

  const apply = (texts: readonly string[]) =>
    database.pool.use((client) => applyMigrations(client, migrationsOf(...texts), withoutLock(ledger)));

  it("run once each, with their rows in the ledger", async () => {
    const first = "CREATE TABLE a (id int) -- no semicolon, and a comment last";
    expect(await apply([first])).toHaveLength(1);
    expect((await apply([first, "CREATE TABLE b (id int);"])).map(({ number }) => number)).toEqual([2]);
    expect(await apply([first, "CREATE TABLE b (id int);"])).toEqual([]);
    const { rows } = await database.pool.query("SELECT number, file FROM ledger ORDER BY number");
    expect(rows).toEqual([
      { number: 1, file: "0001_step.sql" },
      { number: 2, file: "0002_step.sql" },
    ]);
  });

  it("that fail tell file, line and SQLSTATE, and leave nothing", async () => {
    const broken = "CREATE TABLE a (id int);\n\nINSERT INTO a\n  VALUES (wrong);";
    await expect(apply([broken])).rejects.toMatchObject({
      code: "E_MIGRATION_FAILED",
      message: expect.stringMatching(/0001_step\.sql, line 4 failed: .*wrong.* \(SQLSTATE 42703\)/),
    });
    expect((await database.pool.query("SELECT to_regclass('a') AS a")).rows).toEqual([{ a: null }]);
    expect(await apply(["CREATE TABLE a (id int)"])).toHaveLength(1);
  });

  it("that changed since they were applied are refused", async () => {
    await apply(["CREATE TABLE a (id int)"]);
    await expect(apply(["CREATE TABLE a (id bigint)"])).rejects.toMatchObject({
      code: "E_MIGRATION_CHANGED",
    });
  });

  describe("outside a transaction", () => {
    const table = "CREATE TABLE a AS SELECT 1 AS id UNION ALL SELECT 1";
    const index =
      "-- rowhouse: no-transaction\nCREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS a_id ON a (id);";

    it("have to say so", async () => {
      await apply([table]);
      await expect(apply([table, "CREATE INDEX CONCURRENTLY a_id ON a (id)"])).rejects.toMatchObject({
        code: "E_MIGRATION_FAILED",
        remedy: expect.stringContaining("no-transaction"),
      });
    });

    it("must be one statement", async () => {
      await expect(async () => apply([`${index}\nSELECT 1;`])).rejects.toMatchObject({
        code: "E_MIGRATION_STATEMENTS",
      });
    });

    it("are repeated after a failure, and an index that was left half built is built anew", async () => {
      await expect(apply([table, index])).rejects.toMatchObject({ code: "E_MIGRATION_FAILED" });
      const valid = "SELECT indisvalid FROM pg_index WHERE indexrelid = 'a_id'::regclass";
      expect((await database.pool.query(valid)).rows).toEqual([{ indisvalid: false }]);
      await database.pool.query("DELETE FROM a WHERE ctid = (SELECT min(ctid) FROM a)");
      expect(await apply([table, index])).toHaveLength(1);
      expect((await database.pool.query(valid)).rows).toEqual([{ indisvalid: true }]);
    });
  });

  describe("under the ledger's lock", () => {
    const run = (client: pg.ClientBase, texts: readonly string[]) =>
      applyMigrations(client, migrationsOf(...texts), ledger);

    it("go one at a time", async () => {
      await database.pool.use(async (first) => {
        await run(first, ["CREATE TABLE a (id int)"]);
        await database.pool.use(async (second) => {
          await expect(run(second, ["CREATE TABLE a (id int)"])).rejects.toMatchObject({
            code: "E_MIGRATION_BUSY",
          });
        });
      });
    });

    it("give up soon on a table in use, so that nobody waits behind them", async () => {
      await apply(["CREATE TABLE a (id int)"]);
      await database.pool.use(async (reader) => {
        await reader.query("BEGIN; SELECT * FROM a");
        await database.pool.use(async (client) => {
          const change = ["CREATE TABLE a (id int)", "ALTER TABLE a ADD COLUMN b int"];
          await expect(run(client, change)).rejects.toMatchObject({ code: "E_MIGRATION_BUSY" });
          await reader.query("COMMIT");
          expect(await run(client, change)).toHaveLength(1);
        });
      });
    });
  });
});

function withoutLock({ ledgerSchema, ledgerTable }: Ledger): Ledger {
  return { ledgerSchema, ledgerTable };
}
