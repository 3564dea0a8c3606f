import type { ErrorJson } from "../error.ts";

/** What a workflow remembers: one event per finished attempt, in order. Results are JSON. */
export type WorkflowEvent =
  | { readonly type: "stepCompleted"; readonly step: string; readonly result: unknown }
  | { readonly type: "stepFailed"; readonly step: string; readonly error: ErrorJson }
  | { readonly type: "stepUndone"; readonly step: string }
  | { readonly type: "undoFailed"; readonly step: string; readonly error: ErrorJson };

/** The names of a workflow's steps in order, which of them have an undo, and which hold what the others work on. */
export type StepPlan = readonly {
  readonly name: string;
  readonly hasUndo: boolean;
  readonly holds?: boolean;
}[];

/** The plan of a workflow's steps. */
export function planOf(
  steps: readonly { readonly name: string; readonly undo?: unknown; readonly holds?: true }[],
): StepPlan {
  return steps.map(({ name, undo, holds }) => ({
    name,
    hasUndo: undo !== undefined,
    ...(holds && { holds }),
  }));
}

/** What is to be done next. */
export type Decision =
  | { readonly type: "run"; readonly step: string }
  | { readonly type: "undo"; readonly step: string }
  | { readonly type: "complete" }
  | {
      readonly type: "fail";
      readonly step: string;
      readonly error: ErrorJson;
      readonly notUndone: readonly string[];
    };

/**
 * The next action of a saga, from its history alone: steps run in order; the first failure undoes, newest first,
 * every step that ran, the failed one included (it may have done half its work). An undo that fails is passed
 * over, and named at the end; what a step holds is then not let go, so that nobody else meets what is left. Pure, so
 * that every engine replays to the same outcome.
 * Source: H. Garcia-Molina and K. Salem, "Sagas", 1987.
 */
export function decide(steps: StepPlan, history: readonly WorkflowEvent[]): Decision {
  const failure = history.find((event) => event.type === "stepFailed");
  if (failure) return decideUndo(steps, history, failure);
  const completed = new Set(history.map((event) => event.step));
  const next = steps.find((step) => !completed.has(step.name));
  return next ? { type: "run", step: next.name } : { type: "complete" };
}

function decideUndo(
  steps: StepPlan,
  history: readonly WorkflowEvent[],
  failure: Extract<WorkflowEvent, { type: "stepFailed" }>,
): Decision {
  const undoable = new Map(steps.filter((step) => step.hasUndo).map((step) => [step.name, step]));
  const handled = new Set<string>();
  const notUndone: string[] = [];
  for (const event of history) {
    if (event.type === "stepUndone" || event.type === "undoFailed") handled.add(event.step);
    if (event.type === "undoFailed") notUndone.push(event.step);
  }
  for (const event of history.toReversed()) {
    const ran = event.type === "stepCompleted" || event.type === "stepFailed";
    const step = undoable.get(event.step);
    if (!ran || !step || handled.has(step.name)) continue;
    if (!step.holds || notUndone.length === 0) return { type: "undo", step: step.name };
    notUndone.push(step.name);
  }
  return { type: "fail", step: failure.step, error: failure.error, notUndone };
}
