import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createTestDatabase, type TestDatabase } from "../../test/support/database.ts";
import { copyEntries, Directory } from "./directory.ts";
import { prepareControlSchema } from "./schema.ts";

describe("directory", () => {
  let database: TestDatabase;
  let region: TestDatabase;
  let directory: Directory;
  beforeAll(async () => {
    [database, region] = await Promise.all([createTestDatabase(), createTestDatabase()]);
    await Promise.all([
      prepareControlSchema(database.pool, "directory"),
      prepareControlSchema(region.pool, "region"),
    ]);
    directory = new Directory(database.pool);
  });
  afterAll(() => Promise.all([database.drop(), region.drop()]));

  const reserve = (slug: string, signupId: string) =>
    directory.reserve({ slug, region: "eu-west-1", plan: "starter", isolation: "schema", signupId });

  it("gives a slug to one of many sign-ups, and to that one again", async () => {
    const tries = await Promise.allSettled([...Array(12).keys()].map((i) => reserve("raced", `s${i}`)));
    const won = tries.flatMap((one, i) => (one.status === "fulfilled" ? [`s${i}`] : []));
    expect(won).toHaveLength(1);
    expect(await reserve("raced", won[0]!)).toMatchObject({ slug: "raced", state: "provisioning" });
    await expect(reserve("raced", "late")).rejects.toMatchObject({ code: "E_TENANT_SLUG_TAKEN" });
  });

  it("frees the slug of a sign-up that failed, and never that of a tenant", async () => {
    await reserve("freed", "s1");
    await directory.release("freed", "another");
    expect(await directory.find("freed")).toBeDefined();
    await directory.release("freed", "s1");
    expect(await directory.find("freed")).toBeUndefined();
    await reserve("kept", "s2");
    await directory.apply("kept", "activate");
    await directory.release("kept", "s2");
    expect(await directory.find("kept")).toMatchObject({ state: "active" });
  });

  it("moves along the lifecycle and nowhere else", async () => {
    await reserve("mover", "s1");
    await expect(directory.apply("mover", "suspend")).rejects.toMatchObject({ code: "E_TENANT_STATE" });
    for (const [event, state] of [
      ["activate", "active"],
      ["suspend", "suspended"],
      ["suspend", "suspended"],
      ["resume", "active"],
      ["beginClose", "closing"],
      ["endClose", "closed"],
    ] as const) {
      expect(await directory.apply("mover", event)).toMatchObject({ state });
    }
    await expect(directory.apply("mover", "resume")).rejects.toMatchObject({ code: "E_TENANT_STATE" });
    await expect(directory.apply("nobody", "resume")).rejects.toMatchObject({ code: "E_TENANT_NOT_FOUND" });
  });

  it("tells every change after a revision, however many write at once", async () => {
    const before = (await directory.changesSince(0)).at(-1)?.revision ?? 0;
    const seen = new Set<string>();
    let cursor = before;
    let writing = true;
    const reading = (async () => {
      while (writing) {
        for (const entry of await directory.changesSince(cursor)) {
          expect(entry.revision).toBeGreaterThan(cursor);
          cursor = entry.revision;
          seen.add(entry.slug);
        }
      }
    })();
    const slugs = [...Array(60).keys()].map((i) => `change-${i}`);
    await Promise.all(slugs.map((slug) => reserve(slug, slug)));
    writing = false;
    await reading;
    for (const entry of await directory.changesSince(cursor)) seen.add(entry.slug);
    expect(slugs.filter((slug) => !seen.has(slug))).toEqual([]);
  });

  it("copies into a region, and lets no older row replace a newer one", async () => {
    const old = await reserve("copied", "s1");
    const young = await directory.apply("copied", "activate");
    await copyEntries(region.pool, [young]);
    await copyEntries(region.pool, [old]);
    const { rows } = await region.pool.query(
      "SELECT state, revision::int FROM tenants WHERE slug = 'copied'",
    );
    expect(rows).toEqual([{ state: "active", revision: young.revision }]);
  });

  it("shuts a region or lets a sign-up in, never both, however close they come", async () => {
    for (let round = 0; round < 20; round++) {
      const name = `raced-region-${round}`;
      const place = { region: name, plan: "starter", isolation: "schema", signupId: "s" } as const;
      const [closed, ...reserved] = await Promise.allSettled([
        directory.closeRegion(name),
        ...[0, 1, 2].map((i) => directory.reserve({ ...place, slug: `${name}-${i}` })),
      ]);
      const tenants = (await directory.countByRegion()).get(name) ?? 0;
      expect(tenants).toBe(reserved.filter(({ status }) => status === "fulfilled").length);
      if (closed?.status === "fulfilled") expect(tenants).toBe(0);
      else expect(closed?.reason).toMatchObject({ code: "E_REGION_IN_USE" });
      for (const one of reserved)
        if (one.status === "rejected") expect(one.reason).toMatchObject({ code: "E_REGION_UNKNOWN" });
    }
  });

  it("counts whoever is not closed, tells who it is, and lets tenants in again", async () => {
    const place = { region: "counted", plan: "starter", isolation: "schema", signupId: "s" } as const;
    await directory.reserve({ ...place, slug: "counted-a" });
    await expect(directory.closeRegion("counted")).rejects.toMatchObject({
      code: "E_REGION_IN_USE",
      reason: "1 tenant lives in counted: counted-a.",
    });
    for (const event of ["activate", "beginClose", "endClose"] as const)
      await directory.apply("counted-a", event);
    await directory.closeRegion("counted");
    await directory.closeRegion("counted");
    await expect(directory.reserve({ ...place, slug: "counted-b" })).rejects.toMatchObject({
      code: "E_REGION_UNKNOWN",
    });
    await directory.openRegion("counted");
    await directory.reserve({ ...place, slug: "counted-b" });
  });
});
