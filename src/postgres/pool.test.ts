import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { connectionTo, createTestDatabase, type TestDatabase } from "../../test/support/database.ts";
import { WriterPool } from "./pool.ts";

describe("a control database's pool", () => {
  let database: TestDatabase;
  let pool: WriterPool;
  beforeAll(async () => {
    database = await createTestDatabase();
    pool = new WriterPool({ ...connectionTo(database), applicationName: "pool test", max: 1 });
  });
  afterAll(async () => {
    await pool.end();
    await database.drop();
  });

  it("says that the database is away when the connection breaks under a statement, and has a new one next", async () => {
    await expect(pool.query("SELECT pg_terminate_backend(pg_backend_pid())")).rejects.toMatchObject({
      code: "E_DATABASE_UNAVAILABLE",
      cause: { code: "57P01" },
    });
    expect((await pool.query("SELECT 1 AS one")).rows).toEqual([{ one: 1 }]);
  });

  it("rolls back what it lost, and says the same of it", async () => {
    await pool.query("CREATE TABLE rows (id int)");
    const work = pool.transaction(async (client) => {
      await client.query("INSERT INTO rows VALUES (1)");
      await client.query("SELECT pg_terminate_backend(pg_backend_pid())");
    });
    await expect(work).rejects.toMatchObject({ code: "E_DATABASE_UNAVAILABLE" });
    expect((await pool.query("SELECT id FROM rows")).rows).toEqual([]);
  });

  it("tells a mistake in the SQL as Postgres does", async () => {
    await expect(pool.query("SELECT * FROM nowhere")).rejects.toMatchObject({ code: "42P01" });
  });
});
