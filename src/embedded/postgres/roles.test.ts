import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { nextRoleStep, type PairSight } from "./roles.ts";

const up = { status: "running", isHung: false } as const;
const down = { status: "down", isHung: false } as const;
const starting = { status: "starting", isHung: false } as const;
const hung = { status: "running", isHung: true } as const;

const well: PairSight = {
  inSync: true,
  isPromoting: false,
  primary: up,
  standby: up,
  isRebuilding: false,
};

describe("the next step for a pair's roles", () => {
  test.each<[ReturnType<typeof nextRoleStep>, string, Partial<PairSight>]>([
    ["keep", "all is well", {}],
    ["keep", "the standby is away", { standby: down, inSync: false }],
    ["keep", "the primary is starting", { primary: starting }],
    ["failOver", "the primary died", { primary: down }],
    ["failOver", "the primary hangs", { primary: hung }],
    ["keep", "both died: they are started", { primary: down, standby: down }],
    ["keep", "the primary died while the standby starts", { primary: down, standby: starting }],
    ["keep", "the primary died and the standby hangs", { primary: down, standby: hung }],
    ["keep", "both hang: so does the machine", { primary: hung, standby: hung }],
    ["keep", "the primary died and the standby is not in sync", { primary: down, inSync: false }],
    ["restart", "the primary hangs and the standby is not in sync", { primary: hung, inSync: false }],
    ["keep", "the primary died and the standby is being replaced", { primary: down, isRebuilding: true }],
    ["resume", "a promotion was begun", { isPromoting: true, inSync: false, primary: down }],
    ["resume", "a promotion was begun, and all is gone", { isPromoting: true, primary: down, standby: down }],
    ["failOver", "the standby is on a newer timeline", { timelines: { primary: 1, standby: 2 } }],
    [
      "failOver",
      "the standby is on a newer timeline, and the file says something else",
      { timelines: { primary: 1, standby: 2 }, inSync: false, primary: down, standby: down },
    ],
    ["keep", "the primary is on a newer timeline", { timelines: { primary: 2, standby: 1 } }],
    [
      "failOver",
      "both are on the same, and the primary died",
      { timelines: { primary: 2, standby: 2 }, primary: down },
    ],
  ])("is %s when %s", (step, _, sight) => {
    expect(nextRoleStep({ ...well, ...sight })).toBe(step);
  });

  test("never promotes what may lack an acknowledged write, and never starts the old primary during a promotion", () => {
    const node = fc.record({
      status: fc.constantFrom("down" as const, "starting" as const, "running" as const),
      isHung: fc.boolean(),
    });
    const sight = fc.record(
      {
        inSync: fc.boolean(),
        isPromoting: fc.boolean(),
        primary: node,
        standby: node,
        isRebuilding: fc.boolean(),
        timelines: fc.record({
          primary: fc.integer({ min: 1, max: 3 }),
          standby: fc.integer({ min: 1, max: 3 }),
        }),
      },
      { requiredKeys: ["inSync", "isPromoting", "primary", "standby", "isRebuilding"] },
    );
    fc.assert(
      fc.property(sight, (pair) => {
        const step = nextRoleStep(pair);
        const wasPromoted = pair.timelines !== undefined && pair.timelines.standby > pair.timelines.primary;
        if (pair.isPromoting) expect(step).toBe("resume");
        else if (wasPromoted) expect(step).toBe("failOver");
        else if (!pair.inSync) expect(step).not.toBe("failOver");
        else if (step === "failOver") expect(pair.standby.status).toBe("running");
      }),
    );
  });
});
