import { foundSteps, restoreSteps } from "../../core/backup/restore-steps.ts";
import type { ErrorJson } from "../../core/error.ts";
import { resultsOf } from "../../core/workflow/results.ts";
import type { WorkflowState } from "../../core/workflow/state.ts";
import type { WorkflowExecution } from "../../ports/workflows.ts";
import type { FoundInput, RestoreInput, RestoreOrigin } from "./restore-input.ts";

export const restoreWorkflowName = "restore";
export const foundWorkflowName = "restore-as";

/** What a restore or import did. */
export interface RestorationResult extends RestoreOrigin {
  readonly slug: string;
  /** From the moment of its rows to the one asked for: what was written in between is not there. */
  readonly secondsBefore: number | null;
  readonly rows: number;
  readonly files: number;
  /** The backup that the state before became; null for a new tenant, and while that is still to be done. */
  readonly before: string | null;
  /** How long requests waited; null for a new tenant. */
  readonly writePauseMs: number | null;
  /** Until it was served. */
  readonly durationMs: number;
}

/** A restore or import while it runs, and afterwards. */
export interface RestorationStatus {
  readonly id: string;
  readonly slug: string;
  readonly state: WorkflowState;
  /** How many events there are so far. */
  readonly events: number;
  /** What is being done now. */
  readonly title: string | null;
  readonly error?: ErrorJson;
  readonly result?: RestorationResult;
}

/** `undefined` for a workflow that is neither. */
export function restorationStatus(execution: WorkflowExecution): RestorationStatus | undefined {
  const { id, workflow, state, history, error } = execution;
  if (workflow !== restoreWorkflowName && workflow !== foundWorkflowName) return undefined;
  const steps: readonly { readonly name: string; readonly title: string }[] =
    workflow === restoreWorkflowName ? restoreSteps : foundSteps;
  const results = resultsOf(history);
  const running = steps.find(({ name }) => !(name in results))?.title ?? null;
  const titles = { running, undoing: "Taking back what was done", completed: null, failed: null };
  return {
    id,
    slug: (execution.input as RestoreInput).slug,
    state,
    events: history.length,
    title: titles[state],
    ...(error && { error }),
    ...(state === "completed" && { result: resultOf(execution, results) }),
  };
}

interface Results {
  readonly load: { readonly rows: number };
  readonly "restore-files": { readonly files: number };
  readonly freeze?: { readonly frozenAt: string };
  readonly settle?: { readonly servedAt: string };
  readonly activate?: { readonly servedAt: string };
  readonly "keep-before"?: { readonly kept: boolean };
}

function resultOf(
  { input, startedAt }: WorkflowExecution,
  results: Readonly<Record<string, unknown>>,
): RestorationResult {
  const { slug, origin, beforeId } = input as FoundInput & Partial<RestoreInput>;
  const { load, freeze, settle, activate, ...others } = results as unknown as Results;
  const servedAt = Date.parse((settle ?? activate)?.servedAt ?? "");
  return {
    slug,
    ...origin,
    secondsBefore: origin.at === null ? null : (Date.parse(origin.at) - Date.parse(origin.takenAt)) / 1000,
    rows: load.rows,
    files: others["restore-files"].files,
    before: others["keep-before"]?.kept === true && beforeId !== undefined ? beforeId : null,
    writePauseMs: freeze ? servedAt - Date.parse(freeze.frozenAt) : null,
    durationMs: servedAt - startedAt.getTime(),
  };
}
