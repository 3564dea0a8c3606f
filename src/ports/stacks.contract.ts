import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type ContractSkips, skipCases } from "../../test/support/contract-skips.ts";
import type { Stacks } from "./stacks.ts";

export interface StacksContractSetup {
  readonly stacks: Stacks;
  /** A declared region that is absent; what it consists of may be small. */
  readonly region: string;
  /** Another one that is declared and absent. */
  readonly other: string;
  /** The same engine as another process would open it. */
  reopen(): Promise<Stacks>;
  /** Takes something away from the region that is declared to be there, and keeps it from coming back by itself. */
  damage(): Promise<void>;
  dispose(): Promise<void>;
}

/** What every engine of regions must do. The cases follow one region from its creation to its end. */
export function stacksContract(
  name: string,
  make: () => Promise<StacksContractSetup>,
  options: { readonly skip?: ContractSkips } = {},
): void {
  describe(`${name}: stacks`, () => {
    skipCases(options.skip);
    const silent = () => {};
    const patience = 120_000;
    let setup: StacksContractSetup;
    beforeAll(async () => {
      setup = await make();
    }, patience);
    afterAll(() => setup?.dispose(), patience);

    const absent = (region: string) => ({ region, status: "absent", problem: null, drift: null });

    test("knows no region before one is made", async () => {
      const { stacks, region } = setup;
      expect(await stacks.list()).toEqual([]);
      expect(await stacks.describe(region)).toEqual(absent(region));
      expect(await stacks.describe("mars-north-1")).toEqual(absent("mars-north-1"));
      expect(await stacks.drift(region)).toEqual([]);
    });

    test("plans nothing for a region that is not declared", async () => {
      await expect(setup.stacks.plan("mars-north-1")).rejects.toMatchObject({ code: "E_REGION_UNKNOWN" });
    });

    test(
      "plans all that a new region consists of, and changes nothing by it",
      async () => {
        const { stacks, region } = setup;
        const plan = await stacks.plan(region);
        expect(plan.region).toBe(region);
        expect(plan.changes.length).toBeGreaterThan(0);
        for (const change of plan.changes)
          expect(change).toEqual({
            action: "add",
            id: expect.stringMatching(/./),
            type: expect.stringMatching(/./),
            replacement: "no",
          });
        expect(new Set(plan.changes.map(({ id }) => id)).size).toBe(plan.changes.length);
        expect(await stacks.describe(region)).toEqual(absent(region));
        expect(await stacks.list()).toEqual([]);
      },
      patience,
    );

    test(
      "brings a region into being, and tells how that goes",
      async () => {
        const { stacks, region } = setup;
        const messages: string[] = [];
        await stacks.apply(await stacks.plan(region), (message) => messages.push(message));
        expect(messages.length).toBeGreaterThan(0);
        expect(await stacks.describe(region)).toMatchObject({ region, status: "ready", problem: null });
        expect((await stacks.list()).map((stack) => stack.region)).toEqual([region]);
      },
      patience,
    );

    test(
      "has nothing to do for one that is as it should be",
      async () => {
        const { stacks, region } = setup;
        const plan = await stacks.plan(region);
        expect(plan.changes).toEqual([]);
        await stacks.apply(plan, silent);
        expect(await stacks.describe(region)).toMatchObject({ status: "ready" });
      },
      patience,
    );

    test(
      "knows of it in another process, too",
      async () => {
        const another = await setup.reopen();
        expect(await another.describe(setup.region)).toMatchObject({ status: "ready", problem: null });
        expect((await another.plan(setup.region)).changes).toEqual([]);
      },
      patience,
    );

    test(
      "refuses a plan that was overtaken",
      async () => {
        const { stacks, other } = setup;
        const [old, current] = [await stacks.plan(other), await stacks.plan(other)];
        await stacks.apply(current, silent);
        await expect(stacks.apply(old, silent)).rejects.toMatchObject({ code: "E_CONFLICT" });
        await stacks.delete(other, silent);
      },
      patience,
    );

    test(
      "finds nothing amiss in one that is as it should be",
      async () => {
        expect(await setup.stacks.drift(setup.region)).toEqual([]);
      },
      patience,
    );

    test(
      "finds out what is missing, and remembers it",
      async () => {
        const { stacks, region } = setup;
        await setup.damage();
        const drift = await stacks.drift(region);
        expect(drift.length).toBeGreaterThan(0);
        expect(drift[0]).toMatchObject({ difference: "missing", detail: expect.stringMatching(/./) });
        expect((await stacks.describe(region)).drift).toEqual(drift);
      },
      patience,
    );

    test(
      "removes a region, and does so again without harm",
      async () => {
        const { stacks, region } = setup;
        const messages: string[] = [];
        await stacks.delete(region, (message) => messages.push(message));
        expect(messages.length).toBeGreaterThan(0);
        expect(await stacks.describe(region)).toEqual(absent(region));
        expect(await stacks.list()).toEqual([]);
        await stacks.delete(region, silent);
        await stacks.delete("mars-north-1", silent);
      },
      patience,
    );

    test(
      "brings a region that was removed into being again",
      async () => {
        const { stacks, region } = setup;
        await stacks.apply(await stacks.plan(region), silent);
        expect(await stacks.describe(region)).toMatchObject({ status: "ready" });
        await stacks.delete(region, silent);
        expect(await stacks.list()).toEqual([]);
      },
      patience,
    );
  });
}
