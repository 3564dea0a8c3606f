import { randomBytes } from "node:crypto";
import type { EventType, HistoryEvent } from "@aws-sdk/client-swf";
import fc from "fast-check";
import { expect, test } from "vitest";
import { fault } from "../../core/error.ts";
import { decide, type StepPlan, type WorkflowEvent } from "../../core/workflow/decide.ts";
import { interrupted, placeOf, readCourse, type StepAction } from "./course.ts";
import { Seal } from "./seal.ts";

const seal = new Seal(randomBytes(32));
const error = fault("E_QUOTA", "There is no room.").toJSON();

/** SWF's history as it grows by what befalls one run. */
function createRun() {
  const events: HistoryEvent[] = [];
  const add = (eventType: EventType, attributes: Partial<HistoryEvent> = {}) =>
    events.push({ eventTimestamp: new Date(0), eventType, eventId: events.length + 1, ...attributes });
  return {
    events,
    add,
    schedule: (action: StepAction) => {
      const activity = { activityType: undefined, activityId: "1", decisionTaskCompletedEventId: 0 };
      const scheduledEventId = add("ActivityTaskScheduled", {
        activityTaskScheduledEventAttributes: {
          ...activity,
          taskList: { name: "eu-test-1" },
          input: JSON.stringify(action),
        },
      });
      add("ActivityTaskStarted");
      return { scheduledEventId, startedEventId: events.length };
    },
  };
}

/** What befalls an action before it comes to its end. */
const mishaps = ["ActivityTaskTimedOut", "ScheduleActivityTaskFailed", "Interrupted", "Timer"] as const;
type Mishap = (typeof mishaps)[number];

function befall(run: ReturnType<typeof createRun>, mishap: Mishap, action: StepAction): void {
  if (mishap === "ScheduleActivityTaskFailed") return void run.add(mishap);
  if (mishap === "Timer") {
    run.add("TimerStarted");
    return void run.add("TimerFired");
  }
  const ids = run.schedule(action);
  if (mishap === "ActivityTaskTimedOut") return void run.add(mishap);
  run.add("ActivityTaskFailed", { activityTaskFailedEventAttributes: { ...ids, reason: interrupted } });
}

function finish(run: ReturnType<typeof createRun>, action: StepAction, fails: boolean): WorkflowEvent {
  const ids = run.schedule(action);
  const { type, step } = action;
  if (fails) {
    const details = seal.close(error, placeOf(action));
    run.add("ActivityTaskFailed", {
      activityTaskFailedEventAttributes: { ...ids, reason: error.code, details },
    });
    return { type: type === "run" ? "stepFailed" : "undoFailed", step, error };
  }
  const result = { result: seal.close({ of: step }, placeOf(action)) };
  run.add("ActivityTaskCompleted", {
    activityTaskCompletedEventAttributes: { ...ids, ...(type === "run" && result) },
  });
  return type === "run"
    ? { type: "stepCompleted", step, result: { of: step } }
    : { type: "stepUndone", step };
}

test("reads the saga's own history, whatever befell its workers meanwhile", () => {
  const moves = fc.array(
    fc.record({
      mishaps: fc.array(fc.constantFrom(...mishaps), { maxLength: 3 }),
      fails: fc.boolean(),
    }),
    { minLength: 12, maxLength: 12 },
  );
  fc.assert(
    fc.property(fc.array(fc.boolean(), { maxLength: 6 }), moves, (undos, script) => {
      const plan: StepPlan = undos.map((hasUndo, index) => ({ name: `s${index}`, hasUndo }));
      const run = createRun();
      const record: WorkflowEvent[] = [];
      for (const move of script) {
        run.add("DecisionTaskStarted");
        const next = decide(plan, record);
        if (next.type === "complete" || next.type === "fail") break;
        const action = { type: next.type, step: next.step, after: record.length };
        for (const mishap of move.mishaps) befall(run, mishap, action);
        expect(readCourse(run.events, seal)).toMatchObject({ history: record, busy: false });
        record.push(finish(run, action, move.fails));
        expect(readCourse(run.events, seal)).toMatchObject({ history: record, busy: false, losses: 0 });
      }
    }),
  );
});

test("counts the workers that one action lost in a row, and knows whether it has paused since", () => {
  const run = createRun();
  const action: StepAction = { type: "run", step: "one", after: 0 };
  const course = () => {
    const { busy, losses, rested } = readCourse(run.events, seal);
    return { busy, losses, rested };
  };
  run.schedule(action);
  expect(course()).toEqual({ busy: true, losses: 0, rested: false });
  run.add("ActivityTaskTimedOut");
  befall(run, "Interrupted", action);
  expect(course()).toEqual({ busy: false, losses: 1, rested: false });
  run.add("TimerStarted");
  expect(course()).toEqual({ busy: true, losses: 1, rested: false });
  run.add("TimerFired");
  expect(course()).toEqual({ busy: false, losses: 1, rested: true });
  befall(run, "ActivityTaskTimedOut", action);
  expect(course()).toEqual({ busy: false, losses: 2, rested: false });
});

test.each([
  ["WorkflowExecutionCompleted", "decided"],
  ["WorkflowExecutionFailed", "decided"],
  ["WorkflowExecutionTerminated", "abandoned"],
  ["WorkflowExecutionTimedOut", "abandoned"],
] as const)("after %s a run is %s", (eventType, closed) => {
  const run = createRun();
  run.add(eventType);
  expect(readCourse(run.events, seal)).toMatchObject({ history: [], closed });
});
