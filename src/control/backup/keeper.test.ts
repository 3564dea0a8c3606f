import { createHash } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { buffer } from "node:stream/consumers";
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from "vitest";
import { createFakeClock, type FakeClock } from "../../../test/support/fake-clock.ts";
import { oneServer } from "../../../test/support/one-server.ts";
import { createTestRegion, type TestRegion } from "../../../test/support/region.ts";
import { openRegionContext } from "../../../test/support/region-context.ts";
import { archiveKey, backupPrefix, recordKey } from "../../core/backup/key.ts";
import { orderMigrations } from "../../core/migration/plan.ts";
import { createKeys } from "../../embedded/keys.ts";
import { createObjects, type FileObjects } from "../../embedded/objects.ts";
import { createWorkflows } from "../../embedded/workflows.ts";
import { createSystemRandom } from "../../node/clock.ts";
import type { RegionPlatform } from "../../ports/platform.ts";
import type { Workflows } from "../../ports/workflows.ts";
import { copyEntries } from "../directory.ts";
import type { RegionContext } from "../region-context.ts";
import type { Catalogue } from "./catalogue.ts";
import { copyToRecovery } from "./copy.ts";
import { BackupKeeper } from "./keeper.ts";
import { discardBackup } from "./remove.ts";
import { withArchive } from "./sealed-archive.ts";
import { catalogueOf } from "./source.ts";
import { takeBackup } from "./take.ts";
import { trialWorkflow } from "./trial.ts";

const hour = 3_600_000;
const sql = "CREATE TABLE books (title text PRIMARY KEY)";
const sha256 = createHash("sha256").update(sql).digest("hex");
const migrations = orderMigrations([{ file: "0001_books.sql", sql, sha256 }]);

describe("a region's backups", () => {
  let region: TestRegion;
  let context: RegionContext;
  let clock: FakeClock;
  let folder: string;
  let recovery: FileObjects;
  let workflows: Workflows;
  let catalogue: Catalogue;
  let faults: string[];

  beforeAll(async () => {
    region = await createTestRegion();
    folder = await mkdtemp(join(tmpdir(), "rowhouse-keeper-"));
    clock = createFakeClock();
    const random = createSystemRandom();
    recovery = await createObjects({ folder: join(folder, "objects"), signingKey: "s", clock });
    const { control, config, connection } = region;
    workflows = createWorkflows({ connection, name: "keeper", clock: region.platform.clock });
    context = await openRegionContext({
      config,
      pool: control.pool,
      // Backups touch nothing of it.
      directoryPool: control.pool,
      platform: {
        ...region.platform,
        ...{ clock, workflows, databases: oneServer() },
        recovery: {
          region: "eu-central-1",
          objects: recovery,
          keys: await createKeys({ file: join(folder, "keys.json"), random }),
        } as unknown as NonNullable<RegionPlatform["recovery"]>,
      },
      migrations: () => migrations,
    });
    workflows.register(trialWorkflow(context));
    await workflows.launch();
    catalogue = catalogueOf(context);
    for (const slug of ["north", "south"]) await addTenant(slug);
  }, 60_000);
  afterAll(async () => {
    await workflows.stop();
    for (const slug of ["north", "south"])
      for (const location of await context.locations.findEvery(slug)) await context.tenantData.drop(location);
    await context.tenantData.close();
    await context.administration.close();
    await recovery.close();
    await region.dispose();
    await rm(folder, { recursive: true, force: true });
  }, 60_000);
  beforeEach(() => {
    faults = [];
  });

  async function addTenant(slug: string): Promise<void> {
    const { locations, tenantData, pool } = context;
    const location = await locations.insert({
      slug,
      isolation: "schema",
      server: "shared-1",
      migrations: "m1",
    });
    await tenantData.create(location, "own");
    const schemaVersion = await tenantData.migrate(location, migrations);
    const rows = await context.administration.pool("shared-1", location.database);
    await rows.query(`INSERT INTO "${location.schema}".books VALUES ('Emma'), ('Persuasion')`);
    await pool.query(
      "INSERT INTO profiles (slug, name, administrator_email) VALUES ($1, $1, 'a@b.example')",
      [slug],
    );
    const createdAt = new Date(Date.now() - 48 * hour);
    const home = { region: "eu-west-1", plan: "starter", isolation: "schema", server: "shared-1" } as const;
    await copyEntries(pool, [{ slug, ...home, state: "active", schemaVersion, createdAt, revision: 1 }]);
  }

  const keeper = () => new BackupKeeper(context, (what) => faults.push(what));
  const slugs = async () => {
    const { rows } = await context.pool.query<{ slug: string }>(
      "SELECT slug FROM backups WHERE state = 'whole' ORDER BY slug",
    );
    return rows.map(({ slug }) => slug);
  };
  const keysUnder = async (objects: Pick<FileObjects, "listVersions">, prefix: string) =>
    (await objects.listVersions({ prefix })).versions.map(({ key }) => key);

  it("are taken when they are due, once, whoever starts again; each with a copy that its recovery region opens", async () => {
    await keeper().takeDue();
    expect(await slugs()).toEqual(["north", "south"]);
    await keeper().takeDue();
    expect(await slugs()).toEqual(["north", "south"]);
    await clock.advance(hour);
    await keeper().takeDue();
    expect(await slugs()).toEqual(["north", "north", "south", "south"]);
    expect(faults).toEqual([]);
    const [backup] = await catalogue.list("north");
    expect(backup).toMatchObject({ rows: 2, files: 0, schemaVersion: 1, reason: "scheduled" });
    const source = { key: archiveKey(backup!), sealedFor: "north" };
    const site = context.platform.recovery!;
    const rows = await withArchive(site, source, async ({ manifest }) => manifest.tables[0]?.rows);
    expect(rows).toBe(2);
    // What the region's own key seals is closed to the other one, and to other tenants.
    const mine = { objects: context.platform.objects, keys: site.keys };
    await expect(withArchive(mine, source, async () => {})).rejects.toMatchObject({ code: "E_ARCHIVE_KEY" });
    await expect(
      withArchive(context.platform, { ...source, sealedFor: "south" }, async () => {}),
    ).rejects.toMatchObject({ code: "E_ARCHIVE_KEY" });
  });

  it("are known again from the objects alone when the list was lost", async () => {
    const known = await catalogue.list("north");
    await context.pool.query("DELETE FROM backups");
    await keeper().takeDue();
    const found = (await catalogue.list("north")).filter(({ id }) =>
      known.some((backup) => backup.id === id),
    );
    expect(found.map(({ copiedAt, ...backup }) => ({ ...backup, copied: copiedAt !== null }))).toEqual(
      known.map(({ copiedAt: _, ...backup }) => ({ ...backup, copied: true })),
    );
  });

  it("leave nothing behind when their writer died", async () => {
    const [whole] = await catalogue.list("north");
    const dead = { ...whole!, id: "20200101t000000z-dead", location: null };
    await catalogue.begin(dead, "writing");
    await context.platform.objects.put({ key: archiveKey(dead), body: Buffer.from("half") });
    const listed = await slugs();
    await keeper().takeDue();
    // Its writer may still be at work.
    expect(await keysUnder(context.platform.objects, backupPrefix("north", dead.id))).toHaveLength(1);
    await context.pool.query("UPDATE backups SET touched_at = now() - interval '2 minutes' WHERE id = $1", [
      dead.id,
    ]);
    await keeper().takeDue();
    expect(await keysUnder(context.platform.objects, backupPrefix("north", dead.id))).toEqual([]);
    expect(await catalogue.everyId("north")).not.toContain(dead.id);
    expect(await slugs()).toEqual(listed);
  });

  it("that are deleted while they are copied leave no copy", async () => {
    const backup = await takeBackup(context, { slug: "south", reason: "manual" });
    await context.pool.query("UPDATE backups SET copied_at = NULL WHERE id = $1", [backup.id]);
    const put = recovery.put.bind(recovery);
    const putting = vi.spyOn(recovery, "put").mockImplementationOnce(async (object) => {
      const stored = await put(object);
      await discardBackup(context, backup);
      return stored;
    });
    expect(await copyToRecovery(context, backup)).toBeUndefined();
    expect(putting.mock.calls.map(([{ key }]) => key)).toEqual([archiveKey(backup), recordKey(backup)]);
    putting.mockRestore();
    for (const objects of [context.platform.objects, recovery])
      expect(await keysUnder(objects, backupPrefix("south", backup.id))).toEqual([]);
    expect(await catalogue.everyId("south")).not.toContain(backup.id);
  });

  it("are proved good by a trial restore, each tenant in its turn, and leave no scratch place", async () => {
    const places = async () => (await context.pool.query("SELECT FROM data_locations")).rowCount;
    const had = await places();
    await keeper().tryNext();
    const verified = async () => {
      const all = [...(await catalogue.list("north")), ...(await catalogue.list("south"))];
      return all.filter(({ verifiedAt }) => verifiedAt !== null).map(({ slug }) => slug);
    };
    expect(await verified()).toHaveLength(1);
    await keeper().tryNext();
    // Its turn is six hours later.
    expect(await verified()).toHaveLength(1);
    await clock.advance(6 * hour);
    await keeper().tryNext();
    expect((await verified()).toSorted()).toEqual(["north", "south"]);
    expect(await places()).toBe(had);
    expect(await context.operations.list()).toEqual([]);
  }, 30_000);

  it("that can't be restored are told, and others are taken in their place", async () => {
    const backup = await takeBackup(context, { slug: "south", reason: "manual" });
    const { objects } = context.platform;
    const stored = await objects.get(archiveKey(backup));
    const bytes = await buffer(stored!.body);
    const middle = Math.floor(bytes.length / 2);
    bytes[middle] = (bytes[middle] ?? 0) ^ 0xff;
    await objects.put({ key: archiveKey(backup), body: bytes });
    await clock.advance(6 * hour);
    await keeper().tryNext();
    const found = await catalogue.find(backup.id);
    expect(found).toMatchObject({
      verifiedAt: null,
      failure: { code: expect.stringMatching(/^E_ARCHIVE_/) },
    });
    expect(faults).toEqual([`The backup ${backup.id} of south can't be restored`]);
    expect(await catalogue.problems()).toEqual([
      { slug: "south", backup: backup.id, error: expect.objectContaining({ code: found?.failure?.code }) },
    ]);
  }, 30_000);

  it("that fail keep no other tenant's back, and are told until one succeeds", async () => {
    const location = await context.locations.find("south");
    const rows = await context.administration.pool("shared-1", location!.database);
    await rows.query(`ALTER SCHEMA "${location!.schema}" RENAME TO "${location!.schema}_away"`);
    const before = (await catalogue.list("north")).length;
    await clock.advance(2 * hour);
    await keeper().takeDue();
    expect((await catalogue.list("north")).length).toBe(before + 1);
    expect(faults).toEqual(["south could not be backed up"]);
    expect(await catalogue.problems()).toContainEqual(
      expect.objectContaining({ slug: "south", backup: null }),
    );
    const { rows: unfinished } = await context.pool.query("SELECT FROM backups WHERE state <> 'whole'");
    expect(unfinished).toEqual([]);
    await rows.query(`ALTER SCHEMA "${location!.schema}_away" RENAME TO "${location!.schema}"`);
    await clock.advance(hour);
    await keeper().takeDue();
    expect(await catalogue.problems()).not.toContainEqual(
      expect.objectContaining({ slug: "south", backup: null }),
    );
  });

  it("are deleted in both places when they have expired, in all versions", async () => {
    const old = await catalogue.list("north");
    await context.pool.query(
      "UPDATE backups SET taken_at = taken_at - interval '30 days' WHERE slug = 'north'",
    );
    const newest = await takeBackup(context, { slug: "north", reason: "manual" });
    await context.pool.query("UPDATE tenants SET state = 'closed' WHERE slug = 'north'");
    await keeper().expire();
    expect((await catalogue.list("north")).map(({ id }) => id)).toEqual([newest.id]);
    for (const { id } of old)
      for (const objects of [context.platform.objects, recovery])
        expect(await keysUnder(objects, backupPrefix("north", id))).toEqual([]);
    expect(await keysUnder(recovery, backupPrefix("north", newest.id))).toEqual([
      archiveKey(newest),
      recordKey(newest),
    ]);
    await expect(takeBackup(context, { slug: "north", reason: "manual" })).rejects.toMatchObject({
      code: "E_TENANT_STATE",
    });
  });
});
