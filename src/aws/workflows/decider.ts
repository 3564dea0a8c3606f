import {
  type DecisionTask,
  paginatePollForDecisionTask,
  RespondDecisionTaskCompletedCommand,
  type Decision as SwfDecision,
} from "@aws-sdk/client-swf";
import { fault } from "../../core/error.ts";
import { type Decision, decide } from "../../core/workflow/decide.ts";
import { isAwsError } from "../fault.ts";
import { type Course, readCourse, type StepAction } from "./course.ts";
import type { Engine } from "./engine.ts";
import { toExecution } from "./execution.ts";
import type { WorkflowRecord } from "./records.ts";
import { actionType } from "./registration.ts";
import { fromSwfId } from "./workflow-id.ts";

/** Lost workers in a row after which the same action waits before it is begun again: perhaps it is what kills them. */
const lossesWithoutPause = 3;
const longestPauseSeconds = 900;

/** Waits for a decision task, with the whole history of its run. */
export async function pollForDecision(engine: Engine, abortSignal: AbortSignal) {
  const { client, domain, taskList, identity } = engine;
  let task: DecisionTask | undefined;
  const pages = paginatePollForDecisionTask({ client }, { domain, taskList, identity }, { abortSignal });
  for await (const page of pages) {
    if (!task && !page.taskToken) return undefined;
    task = task
      ? { ...task, events: [...(task.events ?? []), ...(page.events ?? [])] }
      : (page as DecisionTask);
  }
  return task;
}

/**
 * Answers a decision task: what is next is `decide` of the saga's history, and SWF is told. A decision that comes too
 * late is forgotten: SWF has asked again.
 */
export async function answerDecision(engine: Engine, task: DecisionTask): Promise<readonly SwfDecision[]> {
  const decisions = await nextOf(engine, task);
  try {
    const { taskToken } = task;
    await engine.client.send(new RespondDecisionTaskCompletedCommand({ taskToken, decisions }));
  } catch (error) {
    if (!isAwsError(error, "UnknownResourceFault")) throw error;
    engine.log({ level: "info", message: `A decision came too late: ${error.message}` });
  }
  return decisions;
}

async function nextOf(engine: Engine, task: DecisionTask): Promise<SwfDecision[]> {
  const { workflowId = "", runId = "" } = task.workflowExecution ?? {};
  const id = fromSwfId(workflowId);
  const record = await engine.records.claim(id, runId);
  // Another run works for this id, or did.
  if (!record) return [{ decisionType: "CancelWorkflowExecution" }];
  const registration = engine.registrations.get(record.workflow);
  // Unanswered, the task comes to another process a little later: one that has the workflow.
  if (!registration) throw fault("E_INTERNAL", `${id}: there is no workflow "${record.workflow}" here.`);
  const course = readCourse(task.events ?? [], record.seal);
  const action = decide(registration.plan, course.history);
  const hasEnded = action.type === "complete" || action.type === "fail";
  if (hasEnded) {
    const state = action.type === "complete" ? "completed" : "failed";
    await engine.records.finish(record, state, course.history);
  }
  engine.followers.publish(toExecution(record, registration.plan, course));
  if (course.busy) return [];
  return [hasEnded ? closing(action) : next(engine, action, course, record, task.startedEventId ?? 0)];
}

function closing(action: Extract<Decision, { type: "complete" | "fail" }>): SwfDecision {
  if (action.type === "complete") return { decisionType: "CompleteWorkflowExecution" };
  const { step, notUndone, error } = action;
  return {
    decisionType: "FailWorkflowExecution",
    failWorkflowExecutionDecisionAttributes: {
      reason: error.code,
      details: JSON.stringify({ step, notUndone }),
    },
  };
}

function next(
  engine: Engine,
  action: Extract<Decision, { type: "run" | "undo" }>,
  { history, losses, rested }: Course,
  { id }: WorkflowRecord,
  unique: number,
): SwfDecision {
  if (losses > lossesWithoutPause && !rested) {
    const pauseSeconds = Math.min(2 ** (losses - lossesWithoutPause), longestPauseSeconds);
    const message = `${id}: ${action.type} ${action.step} lost its worker ${losses} times; next in ${pauseSeconds} s.`;
    engine.log({ level: "warn", message });
    return {
      decisionType: "StartTimer",
      startTimerDecisionAttributes: { timerId: String(unique), startToFireTimeout: String(pauseSeconds) },
    };
  }
  const input: StepAction = { type: action.type, step: action.step, after: history.length };
  return {
    decisionType: "ScheduleActivityTask",
    scheduleActivityTaskDecisionAttributes: {
      activityId: String(unique),
      activityType: actionType,
      input: JSON.stringify(input),
      taskList: engine.taskList,
      heartbeatTimeout: String(engine.heartbeatTimeoutSeconds),
      scheduleToStartTimeout: "NONE",
      scheduleToCloseTimeout: "NONE",
      startToCloseTimeout: "NONE",
    },
  };
}
