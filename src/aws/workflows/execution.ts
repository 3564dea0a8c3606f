import { type HistoryEvent, paginateGetWorkflowExecutionHistory } from "@aws-sdk/client-swf";
import { type ErrorJson, fault } from "../../core/error.ts";
import type { StepPlan, WorkflowEvent } from "../../core/workflow/decide.ts";
import { stateOf, type WorkflowOutcome } from "../../core/workflow/state.ts";
import type { WorkflowExecution } from "../../ports/workflows.ts";
import { isAwsError } from "../fault.ts";
import { type Course, readCourse } from "./course.ts";
import type { Engine } from "./engine.ts";
import type { WorkflowRecord } from "./records.ts";
import { toSwfId } from "./workflow-id.ts";

/** SWF may not show a run at once that it has just started. */
const unseenMilliseconds = 3_600_000;

const notSeen: Course = { history: [], busy: true, losses: 0, rested: false };
const gone: Course = { ...notSeen, closed: "abandoned" };

/** The execution that a record and a course tell of. */
export function toExecution(record: WorkflowRecord, plan: StepPlan, course: Course): WorkflowExecution {
  const { id, workflow, input, startedAt } = record;
  const history = record.end?.history ?? course.history;
  return { id, workflow, input, startedAt, history, ...outcomeOf(record, plan, course, history) };
}

function outcomeOf(
  { end }: WorkflowRecord,
  plan: StepPlan,
  { closed }: Course,
  history: readonly WorkflowEvent[],
): WorkflowOutcome {
  const derived = stateOf(plan, history);
  // The steps may have changed since; what has ended stays so.
  if (end) return { ...derived, state: end.state };
  if (closed === "decided") return { ...derived, state: derived.error ? "failed" : "completed" };
  if (closed === "abandoned") return { state: "failed", error: derived.error ?? abandonedError() };
  return derived;
}

function abandonedError(): ErrorJson {
  return fault("E_INTERNAL", "The workflow was ended from outside.").toJSON();
}

/** The newest that the registry and SWF say of the workflow; `undefined` when none was started under this id. */
export async function readExecution(engine: Engine, id: string): Promise<WorkflowExecution | undefined> {
  const record = await engine.records.find(id);
  if (record?.runId === undefined) return undefined;
  const course = record.end?.history ? notSeen : await courseOf(engine, record, record.runId);
  return toExecution(record, planOf(engine, record.workflow), course);
}

function planOf(engine: Engine, workflow: string): StepPlan {
  return engine.registrations.get(workflow)?.plan ?? [];
}

/** The course of a run as SWF shows it, which may be a moment behind. */
export async function courseOf(engine: Engine, record: WorkflowRecord, runId: string): Promise<Course> {
  const { client, domain, clock } = engine;
  const execution = { workflowId: toSwfId(record.id), runId };
  const events: HistoryEvent[] = [];
  try {
    for await (const page of paginateGetWorkflowExecutionHistory({ client }, { domain, execution }))
      events.push(...(page.events ?? []));
  } catch (error) {
    if (!isAwsError(error, "UnknownResourceFault")) throw error;
    return clock.now().getTime() - record.startedAt.getTime() < unseenMilliseconds ? notSeen : gone;
  }
  return readCourse(events, record.seal);
}
