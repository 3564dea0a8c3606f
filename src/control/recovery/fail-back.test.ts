import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import type { TestDatabase } from "../../../test/support/database.ts";
import { createDirectoryDatabase } from "../../../test/support/directory-database.ts";
import { parseConfig } from "../../core/config/parse.ts";
import { fault } from "../../core/error.ts";
import { failBackSteps } from "../../core/recovery/steps.ts";
import { createSystemClock } from "../../node/clock.ts";
import { Directory } from "../directory.ts";
import type { MoveStatus } from "../move/status.ts";
import type { RegionControl } from "../region-control.ts";
import { failBack } from "./fail-back.ts";
import type { RecoveryParts } from "./recoveries.ts";
import { RegionStates } from "./region-states.ts";

const region = "eu-west-1";
const successor = "eu-central-1";
const slugs = ["north", "south", "west"];
const zones = ["a", "b"];
const config = parseConfig({
  app: "./app.ts",
  domain: "bookshop.example",
  regions: {
    [region]: { jurisdiction: "EU", zones, recovery: successor },
    [successor]: { jurisdiction: "EU", zones },
  },
  plans: { starter: { isolation: "schema" } },
});

/** A death of the control plane: nothing is cleaned up. */
class Death extends Error {}

describe("the way back of a region", () => {
  let database: TestDatabase;
  let directory: Directory;
  let states: RegionStates;
  /** What was done, in order. */
  let done: string[];

  beforeAll(async () => {
    database = await createDirectoryDatabase();
    directory = new Directory(database.pool);
    states = new RegionStates(database.pool);
  });
  afterAll(() => database.drop());
  beforeEach(async () => {
    done = [];
    await database.pool.query("TRUNCATE tenants, regions");
    for (const slug of slugs) {
      await directory.reserve({ slug, region, plan: "starter", isolation: "schema", signupId: slug });
      await directory.place(slug, { server: "shared-1", schemaVersion: 1 });
      await directory.apply(slug, "activate");
    }
    await states.beginFailOver(region, successor, new Date());
    const homes = slugs.map((slug) => ({ slug, server: "shared-1", schemaVersion: 1 }));
    await states.rehomeAll(region, successor, homes);
    await states.advance(region, ["failing-over"], "failed-over");
  });

  async function arrive(slug: string): Promise<void> {
    await database.pool.query("UPDATE tenants SET region = $2 WHERE slug = $1", [slug, region]);
  }

  /** The successor, whose moves are over at once. */
  const successorControl = (startMove?: (slug: string) => Promise<void>) =>
    ({
      keepAddresses: async () => void done.push("addresses"),
      dropEmptyServers: async () => [],
      startMove: async ({ slug }: { slug: string }) => {
        await startMove?.(slug);
        await arrive(slug);
        done.push(`moved ${slug}`);
        return { id: slug, slug, state: "completed", events: 9 } as unknown as MoveStatus;
      },
    }) as unknown as RegionControl;

  const attempt = (control: RegionControl, death?: string) => {
    const parts: RecoveryParts = {
      ...{ states, clock: createSystemClock(), config: () => config, control: () => control },
      fence: async () => ({ wasAlive: false }),
      start: async () => {},
      untilReady: async () => {},
      reset: async () => void done.push("reset"),
      redirect: async () => {},
      open: () => {},
      close: () => {},
      onStep: async (step) => {
        if (step === death) throw new Death(step);
      },
    };
    return failBack(parts, { region, from: successor }, () => {});
  };
  const regionsOf = async () => Promise.all(slugs.map(async (slug) => (await directory.find(slug))?.region));

  it.each(failBackSteps.map(({ name }) => name))("goes on after a death before `%s`", async (step) => {
    await expect(attempt(successorControl(), step)).rejects.toThrow(Death);
    const outcome = await attempt(successorControl());
    expect(outcome).toMatchObject({ region, from: successor, failed: [] });
    expect(await regionsOf()).toEqual(slugs.map(() => region));
    expect((await states.find(region)).state).toBe("serving");
    const moves = done.filter((what) => what.startsWith("moved "));
    expect(moves.toSorted()).toEqual(slugs.map((slug) => `moved ${slug}`));
    // What has arrived must never be removed as what was left.
    expect(done.lastIndexOf("reset")).toBeLessThan(done.indexOf(moves[0]!));
    expect(done.indexOf("addresses")).toBeLessThan(done.indexOf("reset"));
  });

  it("waits for the move that an attempt which broke off has begun", async () => {
    let refused = 0;
    const control = successorControl(async (slug) => {
      if (slug !== "south") return;
      refused++;
      if (refused === 2) await arrive("south");
      throw fault("E_TENANT_BUSY", "It is taken by a move.");
    });
    expect(await attempt(control)).toMatchObject({ tenants: 3, failed: [] });
    expect(refused).toBe(2);
    expect((await states.find(region)).state).toBe("serving");
  });

  it("tells a tenant that can't be moved, and takes that one alone the next time", async () => {
    const broken = successorControl(async (slug) => {
      if (slug === "west") throw fault("E_MOVE_FAILED", "Its tables differ.");
    });
    expect(await attempt(broken)).toMatchObject({
      tenants: 2,
      failed: [{ slug: "west", error: expect.stringContaining("Its tables differ.") }],
    });
    expect((await states.find(region)).state).toBe("failing-back");
    done = [];
    expect(await attempt(successorControl())).toMatchObject({ tenants: 1, failed: [] });
    expect(done).toEqual(["moved west"]);
    expect((await states.find(region)).state).toBe("serving");
  });
});
