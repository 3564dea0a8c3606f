import { describe, expect, it } from "vitest";
import { authorOf, check, type Mismatch, type Row, titleOf } from "./checker.ts";
import { Ledger } from "./ledger.ts";
import { faultKinds, fleetKinds, planActions, tenantKinds } from "./plan.ts";

const row = (number: number, slug = "north"): Row => {
  const title = titleOf(slug, number);
  return { id: number, title, author: authorOf(title) };
};

/** Writes 1 to 3 at the times 10 to 12, 20 to 22 and 30 to 32. */
function ledgerOf(...outcomes: ("acknowledged" | "refused" | "unknown")[]): Ledger {
  const ledger = new Ledger("north");
  for (const [index, outcome] of outcomes.entries()) {
    const number = index + 1;
    const write = ledger.begin(titleOf("north", number), number * 10);
    Object.assign(write, { outcome, endedAt: number * 10 + 2 });
    if (outcome === "acknowledged") write.id = number;
  }
  return ledger;
}

const problems = (ledger: Ledger, rows: readonly Row[], slug = "north") =>
  check({ slug, writer: "north", expectations: ledger.expectations(), rows }).map(
    ({ problem, title }: Mismatch) => `${problem} ${title}`,
  );

describe("the chaos checker", () => {
  const three = () => ledgerOf("acknowledged", "acknowledged", "acknowledged");

  it("is content with exactly what was acknowledged", () => {
    expect(problems(three(), [row(1), row(2), row(3)])).toEqual([]);
  });

  it.each<[string, readonly Row[], string[]]>([
    ["a lost row", [row(1), row(3)], ["lost chaos/north/2"]],
    ["a doubled row", [row(1), row(2), { ...row(2), id: 9 }, row(3)], ["doubled chaos/north/2"]],
    ["a foreign tenant's row", [row(1), row(2), row(3), row(7, "south")], ["foreign chaos/south/7"]],
    ["a row that nobody wrote", [row(1), row(2), row(3), row(4)], ["unknown chaos/north/4"]],
    ["a row under another id", [row(1), row(2), { ...row(3), id: 4 }], ["altered chaos/north/3"]],
    [
      "a row of two halves",
      [row(1), row(2), { ...row(3), author: row(2).author }],
      ["altered chaos/north/3"],
    ],
  ])("finds %s", (_, rows, found) => {
    expect(problems(three(), rows)).toEqual(found);
  });

  it("lets a write of unknown outcome be there or not, and never twice; a refused one must not be", () => {
    const ledger = ledgerOf("unknown", "unknown", "refused");
    expect(problems(ledger, [row(1)])).toEqual([]);
    expect(problems(ledger, [row(1), { ...row(1), id: 5 }])).toEqual(["doubled chaos/north/1"]);
    expect(problems(ledger, [row(3)])).toEqual(["unexpected chaos/north/3"]);
  });

  it("wants gone what was written between a backup and the return to it", () => {
    const ledger = three();
    ledger.restored({ from: 14, to: 18 }, { from: 24, to: 28 });
    expect(problems(ledger, [row(1), row(3)])).toEqual([]);
    expect(problems(ledger, [row(1), row(2), row(3)])).toEqual(["unexpected chaos/north/2"]);
    expect(problems(ledger, [row(3)])).toEqual(["lost chaos/north/1"]);
    expect(problems(ledger, [row(1)])).toEqual(["lost chaos/north/3"]);
  });

  it("leaves open only what overlaps with the backup or the return", () => {
    const ledger = three();
    ledger.restored({ from: 11, to: 18 }, { from: 24, to: 31 });
    expect(ledger.expectations().map(({ expected }) => expected)).toEqual(["either", "absent", "either"]);
  });

  it("takes an unanswered write for one that may still come after the return", () => {
    const ledger = ledgerOf("unknown");
    ledger.restored({ from: 14, to: 18 }, { from: 24, to: 28 });
    expect(ledger.expectations()).toMatchObject([{ expected: "either" }]);
  });

  it("knows a copy as the tenant was at the backup, a return before it included", () => {
    const ledger = three();
    const backup = { from: 24, to: 28 };
    expect(ledger.expectationsOfCopy(backup).map(({ expected }) => expected)).toEqual([
      "present",
      "present",
      "absent",
    ]);
    ledger.restored({ from: 14, to: 15 }, { from: 22.5, to: 23 });
    ledger.restored({ from: 14, to: 15 }, { from: 33, to: 34 });
    expect(ledger.expectationsOfCopy(backup).map(({ expected }) => expected)).toEqual([
      "present",
      "absent",
      "absent",
    ]);
  });
});

describe("a chaos plan", () => {
  const slugs = Array.from({ length: 7 }, (_, index) => `t${index}`);
  const kinds = [...faultKinds, ...fleetKinds, ...tenantKinds];
  const plan = (seed: number) => planActions({ seed, seconds: 120, slugs, kinds });

  it("is the same for the same seed, and another for another", () => {
    expect(plan(7)).toEqual(plan(7));
    expect(plan(7)).not.toEqual(plan(8));
  });

  it("has no tenant in two lanes, every kind, and only those that there are", () => {
    for (const seed of [1, 2, 3, 4, 5]) {
      const lanes = plan(seed);
      const slugsOf = lanes.map(({ actions }) => new Set(actions.flatMap(({ slug }) => slug ?? [])));
      const [one = new Set(), other = new Set()] = slugsOf.slice(2);
      expect([...one].filter((slug) => other.has(slug))).toEqual([]);
      expect(new Set(lanes.flatMap(({ actions }) => actions.map(({ kind }) => kind)))).toEqual(
        new Set(kinds),
      );
    }
    const few = planActions({ seed: 1, seconds: 60, slugs, kinds: ["kill-primary", "backup"] });
    const used = few.map(({ actions }) => [...new Set(actions.map(({ kind }) => kind))]);
    expect(used).toEqual([["kill-primary"], [], ["backup"], ["backup"]]);
  });
});
