import type { HistoryEvent } from "@aws-sdk/client-swf";
import { z } from "zod";
import type { ErrorJson } from "../../core/error.ts";
import type { WorkflowEvent } from "../../core/workflow/decide.ts";
import type { Seal } from "./seal.ts";

/** Input of an activity task, in clear for whoever reads the history in the console: it says nothing of a customer. */
const actionSchema = z.strictObject({
  type: z.enum(["run", "undo"]),
  step: z.string(),
  /** How many events the workflow's own history has before this one. */
  after: z.int(),
});

export type StepAction = z.output<typeof actionSchema>;

/** Reason of an activity that a stopping worker gave back. No code of an error is like it. */
export const interrupted = "Interrupted";

/** What SWF's history of one run says. */
export interface Course {
  /** The workflow's own history. */
  readonly history: readonly WorkflowEvent[];
  /** An action is under way, or a pause: nothing is to be decided. */
  readonly busy: boolean;
  /** How often in a row the next action was begun, and its worker was lost. */
  readonly losses: number;
  /** The pause after the last loss is over, or could not be had. */
  readonly rested: boolean;
  /** `decided` by us, or `abandoned`: ended from outside, by an operator or by SWF's own limits. */
  readonly closed?: "decided" | "abandoned";
}

export function parseAction(input: string | undefined): StepAction {
  return actionSchema.parse(JSON.parse(input ?? ""));
}

/** Where the result or the error of an action is at home. */
export function placeOf({ type, step, after }: StepAction): string {
  return `${after} ${type} ${step}`;
}

type Mutable<Type> = { -readonly [Key in keyof Type]: Type[Key] };

interface Reading extends Mutable<Omit<Course, "history">> {
  readonly history: WorkflowEvent[];
  readonly scheduled: Map<number | undefined, StepAction>;
  readonly seal: Seal;
}

/** Reads SWF's history, oldest event first. Pure. @throws E_DECRYPT */
export function readCourse(events: readonly HistoryEvent[], seal: Seal): Course {
  const reading: Reading = {
    history: [],
    busy: false,
    losses: 0,
    rested: false,
    scheduled: new Map(),
    seal,
  };
  for (const event of events) readEvent(reading, event);
  const { scheduled: _, seal: __, ...course } = reading;
  return course;
}

function readEvent(reading: Reading, event: HistoryEvent): void {
  switch (event.eventType) {
    case "ActivityTaskScheduled": {
      const input = event.activityTaskScheduledEventAttributes?.input;
      reading.scheduled.set(event.eventId, parseAction(input));
      Object.assign(reading, { busy: true, rested: false });
      break;
    }
    case "ActivityTaskCompleted":
      recordSuccess(reading, event);
      break;
    case "ActivityTaskFailed":
      recordFailure(reading, event);
      break;
    case "ActivityTaskTimedOut":
    case "ActivityTaskCanceled":
    case "ScheduleActivityTaskFailed":
      Object.assign(reading, { busy: false, losses: reading.losses + 1 });
      break;
    case "TimerStarted":
      reading.busy = true;
      break;
    case "TimerFired":
    case "TimerCanceled":
    case "StartTimerFailed":
      Object.assign(reading, { busy: false, rested: true });
      break;
    case "WorkflowExecutionCompleted":
    case "WorkflowExecutionFailed":
      reading.closed = "decided";
      break;
    case "WorkflowExecutionCanceled":
    case "WorkflowExecutionTerminated":
    case "WorkflowExecutionTimedOut":
      reading.closed = "abandoned";
      break;
  }
}

function recordSuccess(reading: Reading, { activityTaskCompletedEventAttributes: ended }: HistoryEvent) {
  const action = reading.scheduled.get(ended?.scheduledEventId);
  if (!action) return;
  const { type, step } = action;
  const result = () => reading.seal.open(ended?.result ?? "", placeOf(action));
  record(
    reading,
    type === "undo" ? { type: "stepUndone", step } : { type: "stepCompleted", step, result: result() },
  );
}

function recordFailure(reading: Reading, { activityTaskFailedEventAttributes: ended }: HistoryEvent) {
  const action = reading.scheduled.get(ended?.scheduledEventId);
  if (!action) return;
  // The worker was asked to stop: nobody's fault, and no reason to wait.
  if (ended?.reason === interrupted) {
    reading.busy = false;
    return;
  }
  const error = reading.seal.open(ended?.details ?? "", placeOf(action)) as ErrorJson;
  record(reading, { type: action.type === "run" ? "stepFailed" : "undoFailed", step: action.step, error });
}

function record(reading: Reading, event: WorkflowEvent): void {
  reading.history.push(event);
  Object.assign(reading, { busy: false, losses: 0 });
}
