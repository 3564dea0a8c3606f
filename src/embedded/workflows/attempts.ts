import { toRowhouseError } from "../../core/error.ts";
import type { WorkflowEvent } from "../../core/workflow/decide.ts";
import { resultsOf } from "../../core/workflow/results.ts";
import { defaultRetryPolicy, retryDelaySeconds } from "../../core/workflow/retry.ts";
import type { Clock } from "../../ports/clock.ts";
import type { WorkflowStep } from "../../ports/workflows.ts";

interface Action {
  readonly type: "run" | "undo";
  readonly step: WorkflowStep<unknown>;
  readonly input: unknown;
  readonly history: readonly WorkflowEvent[];
}

/**
 * Does one action of a saga, with its retries, and says as an event how it went: it fails only when `signal` is
 * aborted during a pause. What was thrown goes to `log`; the history keeps its code and message.
 */
export async function perform(
  action: Action,
  { clock, signal, log }: { clock: Clock; signal: AbortSignal; log: (error: unknown) => void },
): Promise<WorkflowEvent> {
  const { step, type } = action;
  const policy = step.retry ?? defaultRetryPolicy;
  for (let attempt = 1; ; attempt++) {
    try {
      return await attemptOnce(action);
    } catch (thrown) {
      const delaySeconds = retryDelaySeconds(policy, attempt, thrown);
      if (delaySeconds === undefined) {
        log(thrown);
        const error = toRowhouseError(thrown).toJSON();
        return { type: type === "run" ? "stepFailed" : "undoFailed", step: step.name, error };
      }
      await clock.sleep(delaySeconds * 1000, signal);
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
