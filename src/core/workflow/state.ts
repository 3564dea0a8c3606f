import type { ErrorJson } from "../error.ts";
import { decide, type StepPlan, type WorkflowEvent } from "./decide.ts";

export type WorkflowState = "running" | "undoing" | "completed" | "failed";

/** What a workflow's history alone says of it. */
export interface WorkflowOutcome {
  readonly state: WorkflowState;
  /** From the first failure on: why. */
  readonly error?: ErrorJson;
  /** Steps of a failed one that could not be undone, in the order in which that is to be done again; absent if none. */
  readonly notUndone?: readonly string[];
}

/** A workflow's state, from its history alone. */
export function stateOf(steps: StepPlan, history: readonly WorkflowEvent[]): WorkflowOutcome {
  const failure = history.find((event) => event.type === "stepFailed");
  const next = decide(steps, history);
  if (!failure) return { state: next.type === "complete" ? "completed" : "running" };
  if (next.type !== "fail") return { state: "undoing", error: failure.error };
  const { error, notUndone } = next;
  return { state: "failed", error, ...(notUndone.length > 0 && { notUndone }) };
}

/** True when nothing will change any more. */
export function hasEnded(state: WorkflowState): boolean {
  return state === "completed" || state === "failed";
}
