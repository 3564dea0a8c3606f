import { afterAll, beforeAll, expect, test } from "vitest";
import { createTestDatabase, type TestDatabase } from "../../test/support/database.ts";
import { registryContract } from "../ports/registry.contract.ts";
import { createRegistry, prepareRegistry } from "./registry.ts";

registryContract("embedded", async () => {
  const database = await createTestDatabase();
  await prepareRegistry(database.pool);
  return { registry: createRegistry({ pool: database.pool }), dispose: () => database.drop() };
});

let database: TestDatabase;
beforeAll(async () => {
  database = await createTestDatabase();
});
afterAll(() => database.drop());

test("may be prepared by several processes at once, and again at every start", async () => {
  await Promise.all([1, 2, 3, 4].map(() => prepareRegistry(database.pool)));
  const registry = createRegistry({ pool: database.pool });
  await registry.put("fleet", "i-1", { status: "running" });
  await prepareRegistry(database.pool);
  expect(await registry.get("fleet", "i-1")).toMatchObject({ version: 1 });
});

test("a status report leaves the index alone, so that the table stays small", async () => {
  await prepareRegistry(database.pool);
  const registry = createRegistry({ pool: database.pool });
  await registry.put("fleet", "i-hot", { status: "pending" });
  for (let n = 0; n < 20; n++) await registry.update("fleet", "i-hot", { heartbeat: n });
  const hotUpdates = async () => {
    const { rows } = await database.pool.query<{ hot: number }>(
      "SELECT n_tup_hot_upd::integer AS hot FROM pg_stat_user_tables WHERE relname = 'registry_items'",
    );
    return rows[0]?.hot ?? 0;
  };
  await expect.poll(hotUpdates, { timeout: 10_000 }).toBeGreaterThanOrEqual(20);
});
