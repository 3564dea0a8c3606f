import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { migrationSteps } from "../../src/core/migration/steps.ts";
import { type MigrationDeaths, startDeaths } from "../support/migration-deaths.ts";
import { type MigrationTenants, migrationTenants } from "../support/migration-tenants.ts";
import type { Victim } from "../support/migration-victims.ts";

const first = "CREATE TABLE books (id serial PRIMARY KEY, title text); CREATE TABLE effects (file int)";
const migrations = [
  first,
  "INSERT INTO effects VALUES (2); ALTER TABLE books ADD COLUMN isbn text",
  "-- rowhouse: no-transaction\nCREATE INDEX CONCURRENTLY IF NOT EXISTS books_title ON books (title)",
  "INSERT INTO effects VALUES (4)",
];

const points = migrationSteps.flatMap((step) => [`before ${step}.1`, `after ${step}.1`]).sort();

const survivors = {
  "the process at work": { victim: "itself", servesOn: true },
  "the run's process, while the controller lives on": { victim: "run", servesOn: true },
  "a Postgres backend": { victim: "backend", servesOn: false },
  "the Postgres primary": { victim: "primary", servesOn: false },
} as const satisfies Record<string, { readonly victim: Victim; readonly servesOn: boolean }>;

describe.runIf(process.platform === "linux")("a fleet's migration through kill -9", () => {
  let tenants: MigrationTenants;
  let deaths: MigrationDeaths | undefined;
  let notes: string;

  beforeAll(async () => {
    tenants = await migrationTenants();
  }, 60_000);
  afterAll(() => tenants.dispose(), 60_000);

  async function inEveryTenant(): Promise<void> {
    for (const slug of tenants.slugs) expect(await tenants.describe(slug), slug).toEqual(migrated);
    expect(await tenants.directoryVersions()).toEqual(tenants.slugs.map((slug) => [slug, 4, 4]));
  }
  const migrated = {
    ledger: [1, 2, 3, 4],
    effects: [2, 4],
    columns: ["id", "isbn", "title"],
    indexes: ["books_pkey valid", "books_title valid"],
  };

  describe.each(Object.entries(survivors))("of %s", (_, { victim, servesOn }) => {
    beforeAll(async () => {
      notes = await mkdtemp(join(tmpdir(), "rowhouse-migration-notes-"));
      await tenants.reset([first]);
      deaths = startDeaths({ place: tenants.place, migrations, victim, notes });
    }, 60_000);
    afterAll(async () => {
      await deaths?.stop();
      await rm(notes, { recursive: true, force: true });
    });

    it("around every step: each file is applied once in each tenant, and none is left out", async () => {
      const serving = tenants.startServing();
      const runs = await deaths!.untilThrough(() => tenants.untilAvailable());
      const served = await serving.stop();

      const passed = (await readdir(notes)).filter((name) => name.endsWith(".1"));
      expect(passed.sort()).toEqual(points);
      await inEveryTenant();
      expect(runs.at(-1)).toMatchObject({
        total: tenants.slugs.length,
        failed: [],
        later: [],
        stopped: null,
      });
      if (servesOn) expect(served.failed).toEqual([]);
      expect(served.answered).toBeGreaterThan(tenants.slugs.length);
      await canariesWentFirst();
    }, 300_000);

    /** A run's first command is for one tenant; who is killed with it sends no other. */
    async function canariesWentFirst(): Promise<void> {
      const lines = (await readFile(join(notes, "commands"), "utf8")).trim().split("\n");
      const commands = lines.map((line) => JSON.parse(line) as { run: number; slugs: string[] });
      const runs = [...Map.groupBy(commands, ({ run }) => run).values()];
      expect(runs.length).toBeGreaterThan(1);
      expect(runs.map(([canary]) => canary?.slugs.length)).toEqual(runs.map(() => 1));
      expect(runs.some((run) => run.length > 1)).toBe(true);
    }
  });

  it.each(["itself", "backend", "primary"] as const)(
    "in the middle of CREATE INDEX CONCURRENTLY: what was left half built is built anew (%s)",
    async (victim) => {
      notes = await mkdtemp(join(tmpdir(), "rowhouse-migration-notes-"));
      await tenants.reset(migrations.slice(0, 2));
      const [slug = ""] = tenants.slugs;
      const writer = await tenants.openTransaction(slug);
      const calm = startDeaths({ place: tenants.place, migrations, victim: "nobody", notes });
      try {
        const run = calm.run();
        await expect.poll(() => tenants.isBuilding(slug), { timeout: 20_000, interval: 5 }).toBe(true);
        await calm.kill(victim);
        await run;
        await tenants.untilAvailable();
        // A backend whose client was killed goes on by itself, until it has waited long enough for the writer.
        await expect.poll(() => tenants.isBuilding(slug), { timeout: 20_000 }).toBe(false);
        await writer.end();
        const left = async () => (await tenants.describe(slug)).indexes;
        await expect.poll(left, { timeout: 20_000 }).toEqual(["books_pkey valid", "books_title invalid"]);
        await calm.untilThrough(() => tenants.untilAvailable());
        await inEveryTenant();
      } finally {
        await calm.stop();
        await writer.end();
        await rm(notes, { recursive: true, force: true });
      }
    },
    120_000,
  );
});
