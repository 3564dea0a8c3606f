import { foundSteps, restoreSteps } from "../../core/backup/restore-steps.ts";
import type { ErrorJson } from "../../core/error.ts";
import { resultsOf } from "../../core/workflow/results.ts";
import type { WorkflowState } from "../../core/workflow/state.ts";
import type { WorkflowExecution } from "../../ports/workflows.ts";
import { foundWorkflowName } from "./found-workflow.ts";
import type { FoundInput, RestoreInput } from "./restore-input.ts";
import { restoreWorkflowName } from "./restore-workflow.ts";

/** What a restore or import did. */
export interface RestorationOutcome {
  readonly slug: string;
  readonly rows: number;
  readonly files: number;
  /** The backup that the state before became; null for a new tenant, and while that could not be done yet. */
  readonly before: string | null;
  /** How long requests waited; null for a new tenant. */
  readonly writePauseMs: number | null;
}

/** A restore or import while it runs, and afterwards. */
export interface RestorationStatus {
  readonly id: string;
  readonly state: WorkflowState;
  /** How many events there are so far. */
  readonly seen: number;
  /** What is being done now. */
  readonly title: string | null;
  readonly error: ErrorJson | null;
  readonly outcome: RestorationOutcome | null;
}

/** `undefined` for a workflow that is neither. */
export function restorationStatus(execution: WorkflowExecution): RestorationStatus | undefined {
  const { id, workflow, state, history, error = null } = execution;
  if (workflow !== restoreWorkflowName && workflow !== foundWorkflowName) return undefined;
  const steps: readonly { readonly name: string; readonly title: string }[] =
    workflow === restoreWorkflowName ? restoreSteps : foundSteps;
  const results = resultsOf(history);
  const running = steps.find(({ name }) => !(name in results))?.title ?? null;
  const titles = { running, undoing: "Taking back what was done", completed: null, failed: null };
  const outcome = state === "completed" ? outcomeOf(execution, results) : null;
  return { id, state, seen: history.length, title: titles[state], error, outcome };
}

interface Results {
  readonly load: { readonly rows: number };
  readonly "restore-files": { readonly files: number };
  readonly freeze?: { readonly frozenAt: string };
  readonly settle?: { readonly servedAt: string };
  readonly "keep-before"?: { readonly kept: boolean };
}

function outcomeOf(
  { input }: WorkflowExecution,
  results: Readonly<Record<string, unknown>>,
): RestorationOutcome {
  const { slug, beforeId } = input as FoundInput & Partial<RestoreInput>;
  const { load, freeze, settle, ...others } = results as unknown as Results;
  return {
    slug,
    rows: load.rows,
    files: others["restore-files"].files,
    before: others["keep-before"]?.kept === true && beforeId !== undefined ? beforeId : null,
    writePauseMs: freeze && settle ? Date.parse(settle.servedAt) - Date.parse(freeze.frozenAt) : null,
  };
}
