import { spawn } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, inject, it } from "vitest";
import { prepareControlSchema } from "../../src/control/schema.ts";
import { foundSteps, restoreSteps } from "../../src/core/backup/restore-steps.ts";
import { prepareCache } from "../../src/embedded/cache.ts";
import { prepareDns } from "../../src/embedded/dns.ts";
import { createTestDatabase, type TestDatabase } from "../support/database.ts";
import type { FoundTenant, RestoreOutcome, RestoreProcessOptions } from "../support/restore-process.ts";

const program = fileURLToPath(new URL("../support/restore-process.ts", import.meta.url));

/** As it was when it was backed up. */
const before: FoundTenant = {
  state: "active",
  titles: ["Emma", "Persuasion"],
  files: { "changed.txt": "before", "deleted.txt": "deleted", "same.txt": "same" },
  settings: { a: 1 },
};
/** What it became afterwards. */
const after: FoundTenant = {
  state: "active",
  titles: ["Middlemarch", "Persuasion"],
  files: { "changed.txt": "after", "new.txt": "new", "same.txt": "same" },
  settings: { a: 2 },
};

describe("a restore that is killed at every step", () => {
  let directory: TestDatabase;
  let region: TestDatabase;
  let folder: string;

  beforeAll(async () => {
    [directory, region] = await Promise.all([createTestDatabase(), createTestDatabase()]);
    folder = await mkdtemp(join(tmpdir(), "rowhouse-restore-"));
    await prepareControlSchema(directory.pool, "directory");
    await prepareControlSchema(region.pool, "region");
    await Promise.all([prepareDns(directory.pool), prepareCache(region.pool)]);
    await region.pool.query("CREATE TABLE points (slug text, point text, PRIMARY KEY (slug, point))");
    // Other test files have roles on the same server: these are the ones of here.
    await region.pool.query(`
      CREATE TABLE roles_made (role text PRIMARY KEY);
      CREATE FUNCTION note_roles() RETURNS trigger LANGUAGE plpgsql AS $$
      BEGIN
        INSERT INTO roles_made VALUES (NEW.app_role), (NEW.owner_role);
        RETURN NULL;
      END $$;
      CREATE TRIGGER note_roles AFTER INSERT ON data_locations FOR EACH ROW EXECUTE FUNCTION note_roles()`);
  });
  afterAll(async () => {
    await Promise.all([directory.drop(), region.drop()]);
    await rm(folder, { recursive: true, force: true });
  });

  type Wish = Pick<RestoreProcessOptions, "slug" | "attempt" | "fails"> &
    Partial<Pick<RestoreProcessOptions, "as" | "dies">>;

  /** Starts the process again and again until one comes to the end. */
  async function restore(wish: Wish): Promise<RestoreOutcome & { readonly kills: number }> {
    const options: RestoreProcessOptions = {
      node: inject("postgres"),
      directoryDatabase: directory.name,
      regionDatabase: region.name,
      folder,
      dies: true,
      ...wish,
      config: {
        app: "./app.ts",
        domain: "bookshop.example",
        regions: {
          "eu-west-1": { jurisdiction: "EU", zones: ["a", "b"] },
          "us-east-1": { jurisdiction: "US", zones: ["a", "b"] },
        },
        plans: { starter: { isolation: "schema" } },
      },
    };
    for (let kills = 0; kills < 100; kills++) {
      const child = spawn(process.execPath, [program, JSON.stringify(options)], {
        stdio: ["ignore", "pipe", "inherit"],
      });
      let output = "";
      child.stdout.on("data", (chunk) => {
        output += chunk;
      });
      const signal = await new Promise((resolve) => child.once("close", (_code, by) => resolve(by)));
      if (signal !== "SIGKILL") return { kills, ...(JSON.parse(output) as RestoreOutcome) };
    }
    throw new Error("The restore never came to an end.");
  }

  const count = async (database: TestDatabase, sql: string, ...parameters: unknown[]) =>
    Number((await database.pool.query(`SELECT count(*) AS count FROM ${sql}`, parameters)).rows[0]?.count);

  /** Nothing is left of what was made on the way: places, roles, claims, half backups. */
  async function expectTidy(slug: string, places: number): Promise<void> {
    expect(await count(region, "data_locations WHERE slug = $1", slug)).toBe(places);
    expect(await count(region, "data_locations WHERE phase = 'arriving'")).toBe(0);
    expect(await count(region, "tenant_operations")).toBe(0);
    expect(await count(region, "backups WHERE state <> 'whole'")).toBe(0);
    const { rows } = await region.pool.query(
      `SELECT rolname FROM pg_roles JOIN roles_made ON rolname = role
       WHERE NOT EXISTS (SELECT FROM data_locations WHERE role IN (app_role, owner_role))`,
    );
    expect(rows).toEqual([]);
  }

  it("ends in the same data, once, with the state before as a backup", async () => {
    const outcome = await restore({ slug: "survivor", attempt: "first", fails: false });
    expect(outcome).toMatchObject({ state: "completed", error: null, kills: restoreSteps.length * 2 });
    expect(outcome.tenants).toEqual({ survivor: before });
    expect(outcome.backups.toSorted()).toEqual(["before-restore 2 3", "manual 2 3"]);
    // The retired place stays for a while.
    await expectTidy("survivor", 2);
  }, 240_000);

  it("leaves the tenant with the data it had when a step fails, and the next attempt works", async () => {
    const outcome = await restore({ slug: "fallen", attempt: "second", fails: true });
    expect(outcome).toMatchObject({ state: "failed", error: expect.stringContaining("There is no room.") });
    expect(outcome.kills).toBeGreaterThan(restoreSteps.length);
    expect(outcome.tenants).toEqual({ fallen: after });
    expect(outcome.backups).toEqual(["manual 2 3"]);
    await expectTidy("fallen", 1);
    const next = await restore({ slug: "fallen", attempt: "third", fails: false, dies: false });
    expect(next).toMatchObject({ state: "completed", tenants: { fallen: before } });
  }, 360_000);

  it("makes a new tenant once, and leaves the old one as it is", async () => {
    const outcome = await restore({ slug: "old", as: "copy", attempt: "fourth", fails: false });
    expect(outcome).toMatchObject({ state: "completed", kills: foundSteps.length * 2 });
    expect(outcome.tenants).toEqual({ old: after, copy: before });
    expect(await count(directory, "engine.dns_records WHERE name LIKE 'copy.%'")).toBe(1);
    await expectTidy("copy", 1);
  }, 240_000);

  it("leaves nothing of a new tenant that could not be made", async () => {
    const outcome = await restore({ slug: "kept", as: "undone", attempt: "fifth", fails: true });
    expect(outcome).toMatchObject({ state: "failed", error: expect.stringContaining("There is no room.") });
    expect(outcome.tenants).toEqual({
      kept: after,
      undone: { state: null, titles: [], files: {}, settings: null },
    });
    expect(await count(region, "tenants WHERE slug = 'undone'")).toBe(0);
    expect(await count(directory, "engine.dns_records WHERE name LIKE 'undone.%'")).toBe(0);
    await expectTidy("undone", 0);
  }, 360_000);
});
