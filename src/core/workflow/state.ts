import type { ErrorJson } from "../error.ts";
import { decide, type StepPlan, type WorkflowEvent } from "./decide.ts";

export type WorkflowState = "running" | "undoing" | "completed" | "failed";

/** A workflow's state and, from its first failure on, that failure's error: from its history alone. */
export function stateOf(
  steps: StepPlan,
  history: readonly WorkflowEvent[],
): { readonly state: WorkflowState; readonly error?: ErrorJson } {
  const failure = history.find((event) => event.type === "stepFailed");
  const next = decide(steps, history).type;
  if (failure) return { state: next === "fail" ? "failed" : "undoing", error: failure.error };
  return { state: next === "complete" ? "completed" : "running" };
}

/** True when nothing will change any more. */
export function hasEnded(state: WorkflowState): boolean {
  return state === "completed" || state === "failed";
}
