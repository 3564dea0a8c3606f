import {
  type ActivityTask,
  PollForActivityTaskCommand,
  RecordActivityTaskHeartbeatCommand,
  RespondActivityTaskCompletedCommand,
  RespondActivityTaskFailedCommand,
} from "@aws-sdk/client-swf";
import { type ErrorJson, fault } from "../../core/error.ts";
import type { WorkflowEvent } from "../../core/workflow/decide.ts";
import { perform } from "../../core/workflow/perform.ts";
import { isAwsError } from "../fault.ts";
import { interrupted, parseAction, placeOf, type StepAction } from "./course.ts";
import type { Engine } from "./engine.ts";
import { courseOf } from "./execution.ts";
import { describeError } from "./log.ts";
import type { WorkflowRecord } from "./records.ts";
import { fromSwfId } from "./workflow-id.ts";

/** Characters of a `result` or of `details`. Source: Amazon SWF API reference, RespondActivityTaskCompleted. */
const longestText = 32_768;
/** An error's message beyond this is cut when the whole would not fit. */
const keptMessage = 4000;
/** SWF's history of a run is eventually consistent: the event that this action follows may not be there yet. */
const historyPauseMilliseconds = 200;

/** Waits for an activity task. */
export async function pollForAction(engine: Engine, abortSignal: AbortSignal) {
  const { client, domain, taskList, identity } = engine;
  const command = new PollForActivityTaskCommand({ domain, taskList, identity });
  const { taskToken, ...task } = await client.send(command, { abortSignal });
  return taskToken ? ({ taskToken, ...task } as ActivityTask) : undefined;
}

/**
 * Does a saga's action with its retries, and says how it went. The pauses between the attempts are here, and not timers
 * of SWF: those know whole seconds only, and cost events, of which a run has 25,000. When `stopping` breaks off such a
 * pause, the task is given back and begun anew elsewhere; a worker that dies is noticed by its missing heartbeats.
 */
export async function answerAction(engine: Engine, task: ActivityTask, stopping: AbortSignal): Promise<void> {
  const { taskToken } = task;
  const { workflowId = "", runId = "" } = task.workflowExecution ?? {};
  const id = fromSwfId(workflowId);
  const action = parseAction(task.input);
  const lost = new AbortController();
  const answered = new AbortController();
  void beat(engine, taskToken, lost, AbortSignal.any([answered.signal, stopping]));
  const signal = AbortSignal.any([stopping, lost.signal]);
  try {
    const record = await engine.records.claim(id, runId);
    if (!record) throw fault("E_INTERNAL", `${id}: another run works for this id.`);
    const event = await act(engine, record, action, { runId, signal });
    await respond(engine, taskToken, record, action, event);
  } catch (error) {
    if (!signal.aborted) throw error;
    if (!lost.signal.aborted)
      await send(engine, id, new RespondActivityTaskFailedCommand({ taskToken, reason: interrupted }));
  } finally {
    answered.abort();
  }
}

async function act(
  engine: Engine,
  record: WorkflowRecord,
  action: StepAction,
  { runId, signal }: { readonly runId: string; readonly signal: AbortSignal },
): Promise<WorkflowEvent> {
  const { id, workflow, input } = record;
  const { definition } = engine.registrations.get(workflow) ?? {};
  const step = definition?.steps.find(({ name }) => name === action.step);
  if (!step) throw fault("E_INTERNAL", `${id}: the workflow ${workflow} has no step "${action.step}".`);
  const history = await historyBefore(engine, record, action, { runId, signal });
  return perform(
    { type: action.type, step, input, history },
    {
      pause: (seconds) => engine.clock.sleep(seconds * 1000, signal),
      onFailure: (thrown) =>
        engine.log({
          level: "error",
          message: `${id}: ${action.type} ${action.step}: ${describeError(thrown)}`,
        }),
    },
  );
}

/** The events that were there when the action was decided: this process's own, or SWF's as soon as it shows them all. */
async function historyBefore(
  engine: Engine,
  record: WorkflowRecord,
  { after }: StepAction,
  { runId, signal }: { readonly runId: string; readonly signal: AbortSignal },
): Promise<readonly WorkflowEvent[]> {
  let history = engine.followers.newest(record.id)?.history ?? [];
  while (history.length < after) {
    ({ history } = await courseOf(engine, record, runId));
    if (history.length < after) await engine.clock.sleep(historyPauseMilliseconds, signal);
  }
  return history.slice(0, after);
}

async function respond(
  engine: Engine,
  taskToken: string | undefined,
  { id, seal }: WorkflowRecord,
  action: StepAction,
  event: WorkflowEvent,
): Promise<void> {
  const place = placeOf(action);
  const fail = (error: ErrorJson) => {
    const whole = seal.close(error, place);
    const { code, message, remedy } = error;
    const cut = { code, message: `${message.slice(0, keptMessage)}…`, remedy };
    const details = whole.length <= longestText ? whole : seal.close(cut, place);
    return send(engine, id, new RespondActivityTaskFailedCommand({ taskToken, reason: code, details }));
  };
  if (event.type === "stepFailed" || event.type === "undoFailed") return fail(event.error);
  if (event.type === "stepUndone")
    return send(engine, id, new RespondActivityTaskCompletedCommand({ taskToken }));
  const result = seal.close(event.result, place);
  if (result.length <= longestText)
    return send(engine, id, new RespondActivityTaskCompletedCommand({ taskToken, result }));
  const tooLong = fault(
    "E_INTERNAL",
    `The result of the step "${event.step}" has ${result.length} characters when it is sealed, and SWF takes ${longestText}.`,
  );
  engine.log({ level: "error", message: `${id}: ${tooLong.message}` });
  return fail(tooLong.toJSON());
}

/** SWF has taken the task away when it does not know it any more; then its action is done anew, or was. */
async function send(
  { client, log }: Engine,
  id: string,
  command: RespondActivityTaskCompletedCommand | RespondActivityTaskFailedCommand,
): Promise<void> {
  try {
    await (command instanceof RespondActivityTaskCompletedCommand
      ? client.send(command)
      : client.send(command));
  } catch (error) {
    if (!isAwsError(error, "UnknownResourceFault")) throw error;
    log({ level: "warn", message: `${id}: what was done came too late: ${error.message}` });
  }
}

/**
 * Says that the task is alive, until `done`; aborts `lost` when SWF has given it up. That somebody asks to cancel is
 * passed over: only a decider could, and a saga is taken back by its undos.
 */
async function beat(
  { client, clock, log, heartbeatTimeoutSeconds }: Engine,
  taskToken: string | undefined,
  lost: AbortController,
  done: AbortSignal,
): Promise<void> {
  while (!done.aborted) {
    try {
      await clock.sleep((heartbeatTimeoutSeconds * 1000) / 3, done);
      await client.send(new RecordActivityTaskHeartbeatCommand({ taskToken }), { abortSignal: done });
    } catch (error) {
      if (done.aborted) return;
      if (isAwsError(error, "UnknownResourceFault")) return lost.abort();
      log({ level: "warn", message: `A heartbeat failed: ${describeError(error)}` });
    }
  }
}
