import { afterAll, beforeAll, expect, it } from "vitest";
import type { TestDatabase } from "../../test/support/database.ts";
import { createDirectoryDatabase } from "../../test/support/directory-database.ts";
import { createFakeClock } from "../../test/support/fake-clock.ts";
import { Operators } from "./operators.ts";

let database: TestDatabase;

beforeAll(async () => {
  database = await createDirectoryDatabase();
});
afterAll(() => database.drop());

it("knows an operator by the newest token alone", async () => {
  const operators = new Operators({ directory: database.pool, clock: createFakeClock() });
  await operators.put("ada", "first");
  expect(await operators.verify("first")).toEqual({ name: "ada" });
  await operators.put("ada", "second");
  expect(await operators.verify("first")).toBeUndefined();
  expect(await operators.verify("second")).toEqual({ name: "ada" });
  expect(await operators.verify("")).toBeUndefined();
});

it("keeps no token", async () => {
  const operators = new Operators({ directory: database.pool, clock: createFakeClock() });
  await operators.put("grace", "a-secret-of-grace");
  const { rows } = await database.pool.query("SELECT * FROM operators");
  expect(Buffer.from(JSON.stringify(rows)).includes("a-secret-of-grace")).toBe(false);
});

it("sees within seconds what another process wrote, and lives through an outage of the directory", async () => {
  const clock = createFakeClock();
  const operators = new Operators({ directory: database.pool, clock });
  expect(await operators.verify("of-alan")).toBeUndefined();
  await new Operators({ directory: database.pool, clock }).put("alan", "of-alan");
  await clock.advance(5000);
  expect(await operators.verify("of-alan")).toEqual({ name: "alan" });

  await database.pool.query("ALTER TABLE operators RENAME TO hidden");
  await clock.advance(60_000);
  expect(await operators.verify("of-alan")).toEqual({ name: "alan" });
  expect(await operators.verify("wrong")).toBeUndefined();
  const fresh = new Operators({ directory: database.pool, clock });
  await expect(fresh.verify("of-alan")).rejects.toThrow();
  await database.pool.query("ALTER TABLE hidden RENAME TO operators");
});
