import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { createTestDatabase, type TestDatabase } from "../../test/support/database.ts";
import { cacheContract } from "../ports/cache.contract.ts";
import { createCache, prepareCache } from "./cache.ts";

cacheContract("embedded", async () => {
  const database = await createTestDatabase();
  await prepareCache(database.pool);
  return { cache: createCache({ pool: database.pool }), dispose: () => database.drop() };
});

let database: TestDatabase;
beforeAll(async () => {
  database = await createTestDatabase();
  await prepareCache(database.pool);
});
beforeEach(() => database.pool.query("TRUNCATE engine.cache_entries"));
afterAll(() => database.drop());

async function countRows(): Promise<number> {
  const { rows } = await database.pool.query<{ count: number }>(
    "SELECT count(*)::int FROM engine.cache_entries",
  );
  return rows[0]!.count;
}

test("a sweep removes what has expired, however much that is, and nothing else", async () => {
  const cache = createCache({ pool: database.pool });
  await cache.set({ tenant: "acme", key: "lives" }, "1", { ttlSeconds: 60 });
  await database.pool.query(
    `INSERT INTO engine.cache_entries
     SELECT 'acme', n::text::bytea, '1', now() - interval '1 s' FROM generate_series(1, 2500) n`,
  );
  expect(await cache.sweep()).toBe(2500);
  expect(await countRows()).toBe(1);
  expect(await cache.sweep()).toBe(0);
});

test("two sweeps at once share the work and don't wait for a writer", async () => {
  const cache = createCache({ pool: database.pool });
  await database.pool.query(
    `INSERT INTO engine.cache_entries
     SELECT 'acme', n::text::bytea, '1', now() - interval '1 s' FROM generate_series(1, 3000) n`,
  );
  await database.pool.transaction(async (client) => {
    await client.query("UPDATE engine.cache_entries SET value = '2' WHERE key = '7'");
    const removed = await Promise.all([cache.sweep(), cache.sweep()]);
    expect(removed[0] + removed[1]).toBe(2999);
  });
  expect(await countRows()).toBe(1);
});

test("the table writes no log and has nothing to lose in a crash", async () => {
  const { rows } = await database.pool.query(
    "SELECT relpersistence FROM pg_class WHERE oid = 'engine.cache_entries'::regclass",
  );
  expect(rows).toEqual([{ relpersistence: "u" }]);
});

test("closing leaves the pool to its owner", async () => {
  const cache = createCache({ pool: database.pool });
  await cache.close();
  expect((await database.pool.query("SELECT 1")).rowCount).toBe(1);
});
