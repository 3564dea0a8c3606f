import type { ErrorJson } from "../../core/error.ts";
import { moveSteps } from "../../core/move/steps.ts";
import type { Isolation } from "../../core/tenant/tenant.ts";
import { resultsOf } from "../../core/workflow/results.ts";
import type { WorkflowExecution } from "../../ports/workflows.ts";
import type { CopiedResult } from "./copying.ts";
import type { MoveInput } from "./input.ts";
import type { MoveRecord } from "./moves.ts";
import type { Sameness } from "./verification.ts";
import type { Checked } from "./workflow.ts";

/** What changed, from which to which. */
export interface Change<T> {
  readonly from: T;
  readonly to: T;
}

/** What a move did. */
export interface MoveResult {
  readonly slug: string;
  /** Regions, or plans where the region stays. */
  readonly from: string;
  readonly to: string;
  readonly region: Change<string>;
  readonly plan: Change<string>;
  readonly isolation: Change<Isolation>;
  /** Rows of the first copy, and how many bytes those are as COPY writes them; 0 when no data had to move. */
  readonly rows: number;
  readonly bytes: number;
  /** How long that took. */
  readonly copyMs: number;
  /** From the moment on that new writes waited, to the one when they went on at the new place. */
  readonly writePauseMs: number;
  readonly durationMs: number;
  readonly verified: Sameness;
  /** What is not the same at both places; the old one is kept then. */
  readonly differs?: string;
}

export interface MoveStatus {
  readonly id: string;
  readonly slug: string;
  readonly state: WorkflowExecution["state"];
  readonly steps: readonly {
    readonly name: string;
    readonly title: string;
    readonly state: "waiting" | "running" | "done" | "failed" | "undone";
  }[];
  /** How many steps and undos have ended. */
  readonly events: number;
  /** Of the rows, so far, and about how many there will be. */
  readonly copiedBytes: number;
  readonly totalBytes: number;
  readonly startedAt: string;
  readonly error?: ErrorJson;
  readonly result?: MoveResult;
}

/** A move as who waits for it sees it. */
export function moveStatus(execution: WorkflowExecution, record: MoveRecord | undefined): MoveStatus {
  const { slug } = execution.input as MoveInput;
  return {
    id: execution.id,
    slug,
    state: execution.state,
    steps: stepStates(execution),
    events: execution.history.length,
    copiedBytes: record?.copiedBytes ?? 0,
    totalBytes: record?.totalBytes ?? 0,
    startedAt: execution.startedAt.toISOString(),
    ...(execution.error && { error: execution.error }),
    ...(execution.state === "completed" && record && { result: moveResult(execution, record) }),
  };
}

function moveResult(execution: WorkflowExecution, record: MoveRecord): MoveResult {
  const results = resultsOf(execution.history);
  const { from, to } = results.check as Checked;
  const { rows, bytes, copyMs } = results["copy-rows"] as CopiedResult;
  const { sameness, differs } = results.verify as { sameness: Sameness; differs?: string };
  const { endedAt } = results.release as { endedAt: string };
  const isSameRegion = from.region === to.region;
  return {
    slug: record.slug,
    from: isSameRegion ? from.plan : from.region,
    to: isSameRegion ? to.plan : to.region,
    region: { from: from.region, to: to.region },
    plan: { from: from.plan, to: to.plan },
    isolation: { from: from.isolation, to: to.isolation },
    rows,
    bytes,
    copyMs,
    writePauseMs: (record.settledAt?.getTime() ?? 0) - (record.frozenAt?.getTime() ?? 0),
    durationMs: Date.parse(endedAt) - record.startedAt.getTime(),
    verified: sameness,
    ...(differs !== undefined && { differs }),
  };
}

function stepStates({ history, state }: WorkflowExecution): MoveStatus["steps"] {
  const states = new Map<string, MoveStatus["steps"][number]["state"]>();
  for (const event of history) {
    if (event.type === "stepCompleted") states.set(event.step, "done");
    else if (event.type === "stepFailed") states.set(event.step, "failed");
    // The step that failed stays marked as such: it is the one to look at.
    else if (event.type === "stepUndone" && states.get(event.step) !== "failed")
      states.set(event.step, "undone");
  }
  const running = state === "running" ? moveSteps.find(({ name }) => !states.has(name))?.name : undefined;
  return moveSteps.map(({ name, title }) => ({
    name,
    title,
    state: states.get(name) ?? (name === running ? "running" : "waiting"),
  }));
}
