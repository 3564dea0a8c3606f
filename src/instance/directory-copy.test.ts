import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createTestRegion, type TestRegion } from "../../test/support/region.ts";
import { createSystemClock } from "../node/clock.ts";
import type { Queryable } from "../postgres/pool.ts";
import { DirectoryCopy } from "./directory-copy.ts";

let region: TestRegion;

beforeAll(async () => {
  region = await createTestRegion();
  await region.addTenant({ slug: "acme" });
});

afterAll(() => region.dispose());

/** A copy, the number of queries that it made, and a switch that takes the database away. */
async function startCopy() {
  const counts = { queries: 0, atOnce: 0, most: 0 };
  let isAway = false;
  const changed: string[] = [];
  const regionPool = {
    async query(sql: string, values?: readonly unknown[]) {
      counts.queries++;
      counts.most = Math.max(counts.most, ++counts.atOnce);
      try {
        if (isAway) throw new Error("away");
        return await region.control.pool.query(sql, values);
      } finally {
        counts.atOnce--;
      }
    },
  } as Queryable;
  const applicationName = `copy ${Math.random()}`;
  const copy = new DirectoryCopy({
    regionPool,
    regionConnection: { ...region.connection, applicationName },
    clock: createSystemClock(),
    onChange: (slug) => changed.push(slug),
  });
  await copy.start();
  const setAway = (away: boolean) => {
    isAway = away;
  };
  return { copy, counts, changed, applicationName, setAway };
}

describe("the directory's copy", () => {
  it("answers a flood of unknown slugs with one query at a time", async () => {
    const { copy, counts } = await startCopy();
    counts.queries = 0;
    const asked = Array.from({ length: 500 }, (_, i) => copy.lookup(`nobody-${i}`));
    expect(await Promise.all(asked)).toEqual(asked.map(() => undefined));
    expect(counts.most).toBe(1);
    expect(counts.queries).toBeLessThanOrEqual(3);
    copy.stop();
  });

  it("asks again for a slug that was asked for before it existed", async () => {
    const { copy } = await startCopy();
    expect(await copy.lookup("late")).toBeUndefined();
    await region.addTenant({ slug: "late" });
    expect(await copy.lookup("late")).toMatchObject({ slug: "late", state: "active" });
    copy.stop();
  });

  it("serves from memory, and says what it can't know, while the database is away", async () => {
    const { copy, setAway } = await startCopy();
    setAway(true);
    expect(await copy.lookup("acme")).toMatchObject({ slug: "acme" });
    await expect(copy.lookup("nobody")).rejects.toMatchObject({ code: "E_REGION_UNAVAILABLE", status: 503 });
    setAway(false);
    expect(await copy.lookup("nobody")).toBeUndefined();
    copy.stop();
  });

  it("catches up on what it missed while its connection was broken", async () => {
    const { copy, applicationName, changed } = await startCopy();
    await region.addTenant({ slug: "changing" });
    await expect.poll(() => copy.find("changing")?.state).toBe("active");
    await region.control.pool.transaction(async (client) => {
      await client.query(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = $1",
        [applicationName],
      );
      await client.query(
        "UPDATE tenants SET state = 'suspended', revision = revision + 1 WHERE slug = 'changing'",
      );
    });
    await expect.poll(() => copy.find("changing")?.state).toBe("suspended");
    await region.control.pool.query("DELETE FROM tenants WHERE slug = 'changing'");
    await expect.poll(() => copy.find("changing")).toBeUndefined();
    expect(changed).toContain("changing");
    copy.stop();
  });

  it("tells who waits for a change, and gives up in time", async () => {
    const { copy } = await startCopy();
    await region.addTenant({ slug: "mover", state: "moving" });
    await expect.poll(() => copy.find("mover")?.state).toBe("moving");
    const settled = (entry: { state: string } | undefined) => entry?.state !== "moving";
    expect(await copy.waitUntil("mover", { fits: settled, timeoutMilliseconds: 20 })).toBe(false);
    const waiting = copy.waitUntil("mover", { fits: settled, timeoutMilliseconds: 20_000 });
    await region.setState("mover", "active");
    expect(await waiting).toBe(true);
    expect(await copy.waitUntil("mover", { fits: settled, timeoutMilliseconds: 0 })).toBe(true);
    copy.stop();
  });
});
