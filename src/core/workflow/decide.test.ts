import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { ErrorJson } from "../error.ts";
import { type Decision, decide, type StepPlan, type WorkflowEvent } from "./decide.ts";
import { resultsOf } from "./results.ts";
import { hasEnded, stateOf } from "./state.ts";

const error: ErrorJson = { code: "E_INTERNAL", message: "Broken. Mend it.", remedy: "Mend it." };
const plan: StepPlan = [
  { name: "reserve", hasUndo: true },
  { name: "check", hasUndo: false },
  { name: "create", hasUndo: true },
];
const completed = (step: string): WorkflowEvent => ({ type: "stepCompleted", step, result: step });
const failed = (step: string): WorkflowEvent => ({ type: "stepFailed", step, error });
const undone = (step: string): WorkflowEvent => ({ type: "stepUndone", step });

describe("decide", () => {
  test.each<[string, StepPlan, WorkflowEvent[], Decision]>([
    ["begins with the first step", plan, [], { type: "run", step: "reserve" }],
    ["goes on with the next step", plan, [completed("reserve")], { type: "run", step: "check" }],
    ["completes after the last step", plan, plan.map((step) => completed(step.name)), { type: "complete" }],
    ["completes a workflow without steps", [], [], { type: "complete" }],
    [
      "undoes the failed step itself first",
      plan,
      [completed("reserve"), completed("check"), failed("create")],
      { type: "undo", step: "create" },
    ],
    [
      "undoes newest first, past what has no undo",
      plan,
      [completed("reserve"), completed("check"), failed("create"), undone("create")],
      { type: "undo", step: "reserve" },
    ],
    [
      "fails when all is undone",
      plan,
      [completed("reserve"), failed("check"), undone("reserve")],
      { type: "fail", step: "check", error, notUndone: [] },
    ],
    [
      "fails at once when there is nothing to undo",
      plan.slice(1),
      [failed("check")],
      { type: "fail", step: "check", error, notUndone: [] },
    ],
    [
      "passes over an undo that failed, and names it",
      plan,
      [
        completed("reserve"),
        completed("check"),
        failed("create"),
        { type: "undoFailed", step: "create", error },
        undone("reserve"),
      ],
      { type: "fail", step: "create", error, notUndone: ["create"] },
    ],
    [
      "runs a step that a newer release has put in between",
      plan,
      [completed("reserve"), completed("create")],
      { type: "run", step: "check" },
    ],
    [
      "leaves alone a step that a newer release no longer has",
      plan,
      [completed("old"), failed("reserve")],
      { type: "undo", step: "reserve" },
    ],
    [
      "does not let go of what a step holds while an undo of a newer one has failed",
      [{ name: "claim", hasUndo: true, holds: true }, ...plan],
      [
        completed("claim"),
        completed("reserve"),
        failed("check"),
        { type: "undoFailed", step: "reserve", error },
      ],
      { type: "fail", step: "check", error, notUndone: ["reserve", "claim"] },
    ],
    [
      "lets go of what a step holds whatever happened to an older one's undo",
      [
        { name: "claim", hasUndo: true, holds: true },
        { name: "freeze", hasUndo: true, holds: true },
      ],
      [completed("claim"), failed("freeze")],
      { type: "undo", step: "freeze" },
    ],
  ])("%s", (_, steps, history, decision) => {
    expect(decide(steps, history)).toEqual(decision);
  });
});

describe("stateOf", () => {
  test.each<[string, WorkflowEvent[], ErrorJson | undefined]>([
    ["running", [], undefined],
    ["running", [completed("reserve")], undefined],
    ["completed", plan.map((step) => completed(step.name)), undefined],
    ["undoing", [completed("reserve"), failed("check")], error],
    ["failed", [completed("reserve"), failed("check"), undone("reserve")], error],
  ])("is %s", (state, history, reason) => {
    expect(stateOf(plan, history)).toEqual({ state, ...(reason && { error: reason }) });
  });

  test("names what could not be undone once it has failed, and not before", () => {
    const history = [
      completed("reserve"),
      completed("check"),
      failed("create"),
      { type: "undoFailed", step: "create", error } as const,
    ];
    expect(stateOf(plan, history)).toEqual({ state: "undoing", error });
    const ended = stateOf(plan, [...history, undone("reserve")]);
    expect(ended).toEqual({ state: "failed", error, notUndone: ["create"] });
  });
});

/** How one run of a saga goes: what each step and undo does, and before which of its moves the process dies. */
interface Scenario {
  readonly plan: StepPlan;
  readonly failingSteps: ReadonlySet<string>;
  readonly failingUndos: ReadonlySet<string>;
  readonly crashes: ReadonlySet<number>;
}

const scenarios: fc.Arbitrary<Scenario> = fc
  .array(fc.constantFrom("none", "undo", "holds"), { maxLength: 7 })
  .chain((kinds) => {
    const steps = kinds.map((kind, index) => ({
      name: `s${index}`,
      hasUndo: kind !== "none",
      holds: kind === "holds",
    }));
    const some = fc.subarray(steps.map((step) => step.name)).map((names) => new Set(names));
    return fc.record({
      plan: fc.constant(steps),
      failingSteps: fc.oneof(fc.constant(new Set<string>()), some),
      failingUndos: fc.oneof(fc.constant(new Set<string>()), some),
      crashes: fc.uniqueArray(fc.nat(60)).map((moves) => new Set(moves)),
    });
  });

/** Which of the steps have their undo tried, newest first: what holds is left from the first failed undo on. */
function undosOf({ plan, failingUndos }: Scenario, steps: readonly string[]): string[] {
  const kinds = new Map(plan.map((step) => [step.name, step]));
  let hasFailed = false;
  return steps.filter((step) => {
    const kind = kinds.get(step);
    if (!kind?.hasUndo || (kind.holds && hasFailed)) return false;
    hasFailed ||= failingUndos.has(step);
    return true;
  });
}

/**
 * Runs the saga as an engine does: decide, act, record. A crash forgets everything but the record; `effects` is what
 * the world keeps of the steps. A step that fails has done half its work.
 */
function simulate({ plan, failingSteps, failingUndos, crashes }: Scenario) {
  const record: WorkflowEvent[] = [];
  const effects = new Set<string>();
  const attempts: string[] = [];
  let move = 0;
  for (;;) {
    // Each turn begins from the record alone, as if after a crash; the crashes below only lose the turn's end.
    const decision = decide(plan, structuredClone(record));
    if (decision.type === "complete" || decision.type === "fail")
      return { decision, record, effects, attempts };
    if (crashes.has(move++)) continue;
    attempts.push(`${decision.type} ${decision.step}`);
    const event = act(decision, effects, failingSteps, failingUndos);
    if (crashes.has(move++)) continue;
    record.push(event);
  }
}

function act(
  { type, step }: Extract<Decision, { step: string; type: "run" | "undo" }>,
  effects: Set<string>,
  failingSteps: ReadonlySet<string>,
  failingUndos: ReadonlySet<string>,
): WorkflowEvent {
  if (type === "run") {
    effects.add(step);
    return failingSteps.has(step) ? failed(step) : completed(step);
  }
  if (failingUndos.has(step)) return { type: "undoFailed", step, error };
  effects.delete(step);
  return undone(step);
}

describe("a saga, crashed anywhere any number of times", () => {
  test("has the outcome, the history and the effects of the run without a crash", () => {
    fc.assert(
      fc.property(scenarios, (scenario) => {
        const { attempts: _, ...crashed } = simulate(scenario);
        const { attempts: __, ...smooth } = simulate({ ...scenario, crashes: new Set() });
        expect(crashed).toEqual(smooth);
      }),
    );
  });

  test("leaves nothing behind when it failed, but what has no undo or whose undo failed", () => {
    fc.assert(
      fc.property(scenarios, (scenario) => {
        const { decision, effects } = simulate(scenario);
        if (decision.type === "complete") {
          expect([...effects]).toEqual(scenario.plan.map((step) => step.name));
          return;
        }
        if (decision.type !== "fail") throw new Error("It ended with neither.");
        const undoable = new Set(scenario.plan.filter((step) => step.hasUndo).map((step) => step.name));
        expect([...effects].filter((step) => undoable.has(step)).toSorted()).toEqual(
          [...decision.notUndone].toSorted(),
        );
        const holding = new Set(scenario.plan.filter((step) => step.holds).map((step) => step.name));
        for (const [index, step] of decision.notUndone.entries())
          expect(scenario.failingUndos.has(step) || (holding.has(step) && index > 0)).toBe(true);
      }),
    );
  });

  test("undoes in the reverse order of the steps, and runs nothing after a failure but undos", () => {
    fc.assert(
      fc.property(scenarios, (scenario) => {
        const { record } = simulate(scenario);
        const failure = record.findIndex((event) => event.type === "stepFailed");
        if (failure === -1) return;
        const before = record.slice(0, failure + 1).map((event) => event.step);
        const after = record.slice(failure + 1);
        expect(after.every((event) => event.type === "stepUndone" || event.type === "undoFailed")).toBe(true);
        expect(after.map((event) => event.step)).toEqual(undosOf(scenario, before.toReversed()));
      }),
    );
  });

  test("never begins a step before the one ahead of it is recorded as completed", () => {
    fc.assert(
      fc.property(scenarios, (scenario) => {
        const names = scenario.plan.map((step) => step.name);
        const runs = simulate(scenario)
          .attempts.filter((attempt) => attempt.startsWith("run "))
          .map((attempt) => attempt.slice(4));
        for (const [index, step] of runs.entries()) {
          const previous = runs[index - 1];
          expect(
            names.indexOf(step) - (previous === undefined ? -1 : names.indexOf(previous)),
          ).toBeLessThanOrEqual(1);
        }
      }),
    );
  });

  test("moves through its states in one direction", () => {
    fc.assert(
      fc.property(scenarios, (scenario) => {
        const { record, decision } = simulate(scenario);
        const states = record.map((_, index) => stateOf(scenario.plan, record.slice(0, index)).state);
        const end = stateOf(scenario.plan, record).state;
        expect(end).toBe(decision.type === "complete" ? "completed" : "failed");
        expect(states.some(hasEnded)).toBe(false);
        const firstUndoing = states.indexOf("undoing");
        if (firstUndoing >= 0)
          expect(states.slice(firstUndoing).every((state) => state === "undoing")).toBe(true);
      }),
    );
  });
});

test("results are those of the completed steps by name", () => {
  expect(resultsOf([completed("reserve"), failed("check"), undone("reserve")])).toEqual({
    reserve: "reserve",
  });
});
