import type { WorkflowEvent } from "./decide.ts";

/** The results of the completed steps by name. */
export function resultsOf(history: readonly WorkflowEvent[]): Readonly<Record<string, unknown>> {
  const results: Record<string, unknown> = {};
  for (const event of history) if (event.type === "stepCompleted") results[event.step] = event.result;
  return results;
}
