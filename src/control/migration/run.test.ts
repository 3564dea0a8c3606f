import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createTestDatabase, type TestDatabase } from "../../../test/support/database.ts";
import { createDirectoryDatabase } from "../../../test/support/directory-database.ts";
import { migrationsOf } from "../../../test/support/migrations.ts";
import { oneServer } from "../../../test/support/one-server.ts";
import { openRegionContext } from "../../../test/support/region-context.ts";
import type { Migration } from "../../core/migration/plan.ts";
import { createKeys } from "../../embedded/keys.ts";
import { createSystemClock, createSystemRandom } from "../../node/clock.ts";
import { quoteIdentifier } from "../../postgres/identifier.ts";
import { copyEntries, type Directory } from "../directory.ts";
import type { RegionControl } from "../region-control.ts";
import { prepareControlSchema } from "../schema.ts";
import type { Administration } from "../tenant-data/administration.ts";
import type { Locations, StoredLocation } from "../tenant-data/locations.ts";
import type { TenantData } from "../tenant-data/tenant-data.ts";
import type { TenantOperations } from "../tenant-operation.ts";
import { migrateTenants } from "./migrate-tenants.ts";
import { type MigrateOptions, runMigrations } from "./run.ts";
import { describeMigrations } from "./status.ts";

const region = "eu-west-1";
const books = "CREATE TABLE books (id serial PRIMARY KEY, title text)";
const limits: MigrateOptions = { canaries: 1, concurrency: 4, maxFailures: 10 };

describe("a run of migrations", () => {
  const clock = createSystemClock();
  let [control, directoryDatabase]: TestDatabase[] = [];
  let folder: string;
  let directory: Directory;
  let locations: Locations;
  let administration: Administration;
  let tenantData: TenantData;
  let operations: TenantOperations;
  let release: Migration[] = migrationsOf(books);
  let asked: string[] = [];
  let regions: ReadonlyMap<string, RegionControl>;
  const made = new Map<string, StoredLocation>();

  beforeAll(async () => {
    [control, directoryDatabase] = await Promise.all([createTestDatabase(), createDirectoryDatabase()]);
    folder = await mkdtemp(join(tmpdir(), "rowhouse-migrate-"));
    const random = createSystemRandom();
    const keys = await createKeys({ file: join(folder, "keys.json"), random });
    const pool = control!.pool;
    await prepareControlSchema(pool, "region");
    const context = await openRegionContext({
      ...{ pool, directoryPool: directoryDatabase!.pool },
      platform: { keys, databases: oneServer() },
      migrations: () => release,
    });
    ({ directory, locations, tenantData, administration, operations } = context);
    const arm: Pick<RegionControl, "migrate" | "schemaTarget"> = {
      migrate: (command) => {
        asked.push(...command.slugs);
        return migrateTenants(context, command);
      },
      schemaTarget: async () => ({ version: release.at(-1)?.number ?? 0 }),
    };
    regions = new Map([[region, arm as RegionControl]]);
    await Promise.all(Array.from({ length: 12 }, (_, index) => makeTenant(`t-${index}`)));
  });

  afterAll(async () => {
    for (const location of made.values()) await tenantData.drop(location);
    await administration.close();
    await Promise.all([control?.drop(), directoryDatabase?.drop()]);
    await rm(folder, { recursive: true, force: true });
  });

  async function makeTenant(slug: string): Promise<void> {
    await directory.reserve({ slug, region, plan: "starter", isolation: "schema", signupId: slug });
    const wish = { slug, isolation: "schema", server: "shared-1", migrations: "m" } as const;
    const location = await locations.allocate(wish);
    made.set(slug, location);
    await tenantData.create(location, "own");
    const schemaVersion = await tenantData.migrate(location, release);
    await directory.place(slug, { server: "shared-1", schemaVersion });
    await copyEntries(control!.pool, [await directory.apply(slug, "activate")]);
  }

  const run = (options: Partial<MigrateOptions> = {}) => {
    asked = [];
    return runMigrations({ directory, regions, clock }, { ...limits, ...options });
  };

  async function query(slug: string, sql: string) {
    const location = made.get(slug)!;
    const pool = await administration.pool(location.server, location.database);
    return pool.use(async (client) => {
      await client.query(`SET search_path = ${quoteIdentifier(location.schema)}`);
      return client.query(sql).finally(() => client.query("RESET search_path"));
    });
  }

  it("asks nobody who is up to date by the directory", async () => {
    expect(await run()).toMatchObject({ target: 1, total: 12, applied: 0, skipped: 12, failed: [] });
    expect(asked).toEqual([]);
    expect(await describeMigrations({ directory, regions })).toMatchObject({ total: 12, behind: 0 });
  });

  it("goes on past a tenant that fails, tells why, and takes only that one the next time", async () => {
    await query("t-3", "ALTER TABLE books ADD COLUMN isbn int");
    release = migrationsOf(books, "ALTER TABLE books\n  ADD COLUMN isbn text");
    expect((await describeMigrations({ directory, regions })).behind).toBe(12);
    const first = await run();
    expect(first).toMatchObject({ target: 2, total: 12, applied: 11, skipped: 0, later: [], stopped: null });
    expect(first.failed).toEqual([
      {
        slug: "t-3",
        error: expect.objectContaining({
          code: "E_MIGRATION_FAILED",
          message: expect.stringMatching(/0002_step\.sql failed: .*isbn.*SQLSTATE 42701/),
        }),
      },
    ]);
    await query("t-3", "ALTER TABLE books DROP COLUMN isbn");
    expect(await run()).toMatchObject({ total: 12, applied: 1, skipped: 11, failed: [] });
    expect(asked).toEqual(["t-3"]);
    expect((await directory.find("t-3"))?.schemaVersion).toBe(2);
  });

  it("stops at the first canary that fails", async () => {
    const canary = [...made.keys()].sort()[0]!;
    await query(canary, "CREATE TABLE shelves ()");
    release = migrationsOf(...release.map(({ sql }) => sql), "CREATE TABLE shelves (id int)");
    const stopped = await run();
    expect(stopped).toMatchObject({ applied: 0, failed: [{ slug: canary }], stopped: expect.any(String) });
    expect(asked).toEqual([canary]);
    await query(canary, "DROP TABLE shelves");
    expect(await run()).toMatchObject({ applied: 12, failed: [], stopped: null });
  });

  it("takes a tenant whose table is in use again later, and doesn't count it as failed", async () => {
    release = migrationsOf(...release.map(({ sql }) => sql), "ALTER TABLE books ADD COLUMN pages int");
    const location = made.get("t-5")!;
    const pool = await administration.pool(location.server, location.database);
    const free = Promise.withResolvers<void>();
    const holding = pool.transaction(async (client) => {
      await client.query(`SELECT * FROM ${quoteIdentifier(location.schema)}.books`);
      await free.promise;
    });
    // The reader goes once the run has been there, and the run comes again.
    const running = run({ canaries: 0 });
    await expect.poll(() => asked.filter((slug) => slug === "t-5").length, { timeout: 10_000 }).toBe(2);
    free.resolve();
    await holding;
    expect(await running).toMatchObject({ applied: 12, failed: [], later: [] });
  });

  it("leaves a tenant that is moved or restored for later, and its tables as they are", async () => {
    release = migrationsOf(...release.map(({ sql }) => sql), "ALTER TABLE books ADD COLUMN weight int");
    await operations.claim("t-4", "move", "a-move");
    const wave = await regions.get(region)!.migrate({ slugs: ["t-4", "t-6"], concurrency: 2 });
    expect(wave.toSorted((one, other) => (one.slug < other.slug ? -1 : 1))).toEqual([
      { slug: "t-4", outcome: "later", error: expect.objectContaining({ code: "E_TENANT_BUSY" }) },
      { slug: "t-6", outcome: "applied" },
    ]);
    await expect(query("t-4", "SELECT weight FROM books")).rejects.toMatchObject({ code: "42703" });
    await operations.release("t-4", "a-move");
    expect(await run()).toMatchObject({ total: 12, applied: 11, skipped: 1, failed: [], later: [] });
  });

  it("says nothing of a tenant that lives elsewhere by the time that its wave ends", async () => {
    release = migrationsOf(...release.map(({ sql }) => sql), "ALTER TABLE books ADD COLUMN cover bytea");
    const former = made.get("t-0")!;
    const version = (await directory.find("t-0"))?.schemaVersion;
    const free = Promise.withResolvers<void>();
    const slow = made.get("t-5")!;
    const pool = await administration.pool(slow.server, slow.database);
    const holding = pool.transaction(async (client) => {
      await client.query(`SELECT * FROM ${quoteIdentifier(slow.schema)}.books`);
      await free.promise;
    });
    const wave = regions.get(region)!.migrate({ slugs: ["t-0", "t-5"], concurrency: 2 });
    const hasCover = () =>
      query("t-0", "SELECT cover FROM books").then(
        () => true,
        () => false,
      );
    await expect.poll(hasCover).toBe(true);
    await locations.retire("t-0", "move");
    const wish = { slug: "t-0", isolation: "schema", server: "shared-1", migrations: "m" } as const;
    const latter = await locations.allocate(wish);
    free.resolve();
    await Promise.all([holding, wave]);
    expect((await directory.find("t-0"))?.schemaVersion).toBe(version);
    expect((await locations.find("t-0"))?.schemaVersion).toBe(latter.schemaVersion);

    await locations.remove(latter.id);
    await control!.pool.query("UPDATE data_locations SET phase = 'current' WHERE id = $1", [former.id]);
    expect(await run()).toMatchObject({ failed: [], later: [] });
  });

  it("ends when more have failed than the budget allows", async () => {
    for (const slug of made.keys()) await query(slug, "CREATE TABLE authors ()");
    release = migrationsOf(...release.map(({ sql }) => sql), "CREATE TABLE authors (id int)");
    const result = await run({ canaries: 0, concurrency: 1, maxFailures: 0 });
    expect(result.applied).toBe(0);
    expect(result.stopped).toContain("More than 0");
    for (const slug of made.keys()) await query(slug, "DROP TABLE authors");
    expect(await run({ tenant: "t-1" })).toMatchObject({ total: 1, applied: 1 });
    expect(await run()).toMatchObject({ total: 12, applied: 11, skipped: 1 });
  });

  it("finds in the tenant's own ledger what a crash kept from the directory", async () => {
    await directory.setSchemaVersions(["t-7"], 1);
    expect(await run()).toMatchObject({ total: 12, applied: 0, skipped: 12 });
    expect(asked).toEqual(["t-7"]);
    await expect(run({ tenant: "nobody" })).rejects.toMatchObject({ code: "E_TENANT_NOT_FOUND" });
  });
});
