import { toRowhouseError } from "../error.ts";
import type { WorkflowEvent } from "./decide.ts";
import { resultsOf } from "./results.ts";
import { defaultRetryPolicy, type RetryPolicy, retryDelaySeconds } from "./retry.ts";

type Work<Result> = (input: unknown, results: Readonly<Record<string, unknown>>) => Promise<Result>;

interface Action {
  readonly type: "run" | "undo";
  readonly step: {
    readonly name: string;
    readonly retry?: RetryPolicy;
    readonly run: Work<unknown>;
    readonly undo?: Work<void>;
  };
  readonly input: unknown;
  readonly history: readonly WorkflowEvent[];
}

/** What the engine that performs an action gives it. */
interface Means {
  /** Waits between two attempts; where it rejects, so does the action, and nothing is decided about the step. */
  readonly pause: (seconds: number) => Promise<void>;
  /** Is told what the last attempt threw; the history keeps its code and message. */
  readonly onFailure: (thrown: unknown) => void;
}

/** Does one action of a saga, with its retries, and says as an event how it went. */
export async function perform(action: Action, { pause, onFailure }: Means): Promise<WorkflowEvent> {
  const { step, type } = action;
  const policy = step.retry ?? defaultRetryPolicy;
  for (let attempt = 1; ; attempt++) {
    try {
      return await attemptOnce(action);
    } catch (thrown) {
      const delaySeconds = retryDelaySeconds(policy, attempt, thrown);
      if (delaySeconds === undefined) {
        onFailure(thrown);
        const error = toRowhouseError(thrown).toJSON();
        return { type: type === "run" ? "stepFailed" : "undoFailed", step: step.name, error };
      }
      await pause(delaySeconds);
    }
  }
}

async function attemptOnce({ type, step, input, history }: Action): Promise<WorkflowEvent> {
  const results = resultsOf(history);
  if (type === "undo") {
    await step.undo?.(input, results);
    return { type: "stepUndone", step: step.name };
  }
  return { type: "stepCompleted", step: step.name, result: toJson(await step.run(input, results)) };
}

/** The value as a replay will find it: what JSON can't say is gone at once, and not only after a crash. */
export function toJson(value: unknown): unknown {
  return JSON.parse(JSON.stringify(value ?? null) ?? "null");
}
