import { randomUUID } from "node:crypto";
import type { RetryPolicy } from "../../src/core/workflow/retry.ts";
import type { WorkflowDefinition, WorkflowExecution, Workflows } from "../../src/ports/workflows.ts";

/** What one step of a test's saga does; by default it returns its own name. */
export interface Script {
  readonly run?: (step: string, input: unknown, results: Readonly<Record<string, unknown>>) => unknown;
  readonly undo?: (
    step: string,
    input: unknown,
    results: Readonly<Record<string, unknown>>,
  ) => void | Promise<void>;
}

export interface ScriptedInput {
  readonly script: string;
}

/** How long a test waits for a saga's next event. */
export const patienceSeconds = 20;

const quickly: RetryPolicy = { maxAttempts: 3, initialIntervalSeconds: 0.01, backoffRate: 1 };
const patiently: RetryPolicy = { maxAttempts: 10_000, initialIntervalSeconds: 0.05, backoffRate: 1 };
const scripts = new Map<string, Script>();

/** `one` and `three` can be undone, `two` can't; `one` may hold what the others work on. */
function scripted(
  name: string,
  retry: RetryPolicy,
  { holds = false }: { readonly holds?: boolean } = {},
): WorkflowDefinition<ScriptedInput> {
  const step = (step: string, undoable: boolean) => ({
    name: step,
    title: `Doing ${step}`,
    retry,
    ...(holds && step === "one" && { holds }),
    run: async (input: ScriptedInput, results: Readonly<Record<string, unknown>>) => {
      const { run } = scripts.get(input.script) ?? {};
      return run ? run(step, input, results) : step;
    },
    ...(undoable && {
      undo: async (input: ScriptedInput, results: Readonly<Record<string, unknown>>) =>
        scripts.get(input.script)?.undo?.(step, input, results),
    }),
  });
  return { name, steps: [step("one", true), step("two", false), step("three", true)] };
}

/**
 * `saga` and `other-saga` try a step three times, as `holding-saga` does, whose first step holds what the others work on;
 * `patient-saga` tries it until it is stopped.
 */
export function registerScriptedSagas(workflows: Workflows): void {
  workflows.register(scripted("saga", quickly));
  workflows.register(scripted("other-saga", quickly));
  workflows.register(scripted("holding-saga", quickly, { holds: true }));
  workflows.register(scripted("patient-saga", patiently));
}

export type ScriptedSagas = ReturnType<typeof scriptedSagas>;

/** Starts registered sagas, each by a script of its own, and waits for their end. */
export function scriptedSagas(workflows: () => Workflows) {
  /** The id under which a saga is to be started, with itself as its `script`. */
  const prepare = (script: Script = {}) => {
    const id = `w-${randomUUID()}`;
    scripts.set(id, script);
    return id;
  };
  return {
    workflows,
    prepare,
    async begin(script: Script = {}, workflow = "saga"): Promise<string> {
      const id = prepare(script);
      await workflows().start(workflow, id, { script: id });
      return id;
    },
    async ended(id: string): Promise<WorkflowExecution> {
      for (let seen = 0; ; ) {
        const execution = await workflows().waitForChange(id, seen, patienceSeconds);
        if (!execution || (execution.history.length === seen && execution.state === "running"))
          throw new Error(`${id} stands still`);
        if (execution.state === "completed" || execution.state === "failed") return execution;
        seen = execution.history.length;
      }
    },
    outline: (execution: WorkflowExecution | undefined) =>
      execution?.history.map((event) => `${event.type} ${event.step}`),
  };
}
