import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { foundSteps, restoreSteps } from "../../src/core/backup/restore-steps.ts";
import { DeathGround } from "../support/death-ground.ts";
import type { FoundTenant, RestoreOutcome, RestoreProcessOptions } from "../support/restore-process.ts";

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
  let ground: DeathGround;

  beforeAll(async () => {
    ground = await DeathGround.open();
  });
  afterAll(() => ground.dispose());

  type Wish = Pick<RestoreProcessOptions, "slug" | "attempt" | "fails"> &
    Partial<Pick<RestoreProcessOptions, "as" | "dies">>;

  function restore(wish: Wish) {
    return ground.runToTheEnd<RestoreProcessOptions, RestoreOutcome>("restore-process.ts", {
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
    });
  }

  /** Nothing is left of what was made on the way: places, roles, claims, half backups. */
  async function expectTidy(slug: string, places: number): Promise<void> {
    const { region, count } = ground;
    expect(await count(region, "data_locations WHERE slug = $1", slug)).toBe(places);
    expect(await count(region, "data_locations WHERE phase = 'arriving'")).toBe(0);
    expect(await count(region, "tenant_operations")).toBe(0);
    expect(await count(region, "backups WHERE state <> 'whole'")).toBe(0);
    expect(await ground.strayRoles()).toEqual([]);
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
    expect(await ground.count(ground.directory, "engine.dns_records WHERE name LIKE 'copy.%'")).toBe(1);
    await expectTidy("copy", 1);
  }, 240_000);

  it("leaves nothing of a new tenant that could not be made", async () => {
    const outcome = await restore({ slug: "kept", as: "undone", attempt: "fifth", fails: true });
    expect(outcome).toMatchObject({ state: "failed", error: expect.stringContaining("There is no room.") });
    expect(outcome.tenants).toEqual({
      kept: after,
      undone: { state: null, titles: [], files: {}, settings: null },
    });
    expect(await ground.count(ground.region, "tenants WHERE slug = 'undone'")).toBe(0);
    expect(await ground.count(ground.directory, "engine.dns_records WHERE name LIKE 'undone.%'")).toBe(0);
    await expectTidy("undone", 0);
  }, 360_000);
});
