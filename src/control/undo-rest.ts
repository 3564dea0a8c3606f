import { resultsOf } from "../core/workflow/results.ts";
import type { WorkflowDefinition, WorkflowExecution } from "../ports/workflows.ts";

/**
 * Undoes what a failed workflow had to leave, because what it needed for that was away. A repeat is safe; nobody else
 * has had what its steps hold meanwhile.
 * @throws what the first undo throws that fails again
 */
export async function undoRest<Input>(
  definition: WorkflowDefinition<Input>,
  execution: WorkflowExecution,
): Promise<void> {
  const results = resultsOf(execution.history);
  for (const name of execution.notUndone ?? []) {
    const step = definition.steps.find((each) => each.name === name);
    await step?.undo?.(execution.input as Input, results);
  }
}
