import { DBOS, StatusString } from "@dbos-inc/dbos-sdk";
import { errorCatalog } from "../../core/error-catalog.ts";
import type { StepPlan, WorkflowEvent } from "../../core/workflow/decide.ts";
import { stateOf, type WorkflowOutcome } from "../../core/workflow/state.ts";
import type { WorkflowExecution } from "../../ports/workflows.ts";

type Status = NonNullable<Awaited<ReturnType<typeof DBOS.getWorkflowStatus>>>;

const defaultLimit = 100;

/** An execution from what DBOS has recorded of it. */
export async function readExecution(
  id: string,
  planOf: (workflow: string) => StepPlan,
): Promise<WorkflowExecution | undefined> {
  const status = await DBOS.getWorkflowStatus(id);
  return status ? toExecution(status, planOf(status.workflowName)) : undefined;
}

/** The newest executions first. */
export async function readExecutions(
  options: { readonly workflow?: string; readonly limit?: number },
  planOf: (workflow: string) => StepPlan,
): Promise<WorkflowExecution[]> {
  const statuses = await DBOS.listWorkflows({
    ...(options.workflow === undefined ? {} : { workflowName: options.workflow }),
    limit: options.limit ?? defaultLimit,
    sortDesc: true,
    loadInput: true,
    loadOutput: true,
  });
  return Promise.all(statuses.map((status) => toExecution(status, planOf(status.workflowName))));
}

async function toExecution(status: Status, plan: StepPlan): Promise<WorkflowExecution> {
  const [input, startedAt] = status.input as [unknown, string];
  const history = await historyOf(status);
  return {
    id: status.workflowID,
    workflow: status.workflowName,
    input,
    startedAt: new Date(startedAt),
    history,
    ...outcomeOf(status, plan, history),
  };
}

/** What has ended carries its history as its result: one row instead of one for each event. */
async function historyOf(status: Status): Promise<readonly WorkflowEvent[]> {
  if (status.status === StatusString.SUCCESS) return status.output as readonly WorkflowEvent[];
  const steps = (await DBOS.listWorkflowSteps(status.workflowID)) ?? [];
  return steps.map((step) => step.output as WorkflowEvent);
}

function outcomeOf(status: Status, plan: StepPlan, history: readonly WorkflowEvent[]): WorkflowOutcome {
  const derived = stateOf(plan, history);
  switch (status.status) {
    case StatusString.SUCCESS:
      // The steps may have changed since; what has ended stays so.
      return { ...derived, state: derived.error ? "failed" : "completed" };
    case StatusString.ERROR:
    case StatusString.CANCELLED:
    case StatusString.MAX_RECOVERY_ATTEMPTS_EXCEEDED:
      // Only someone who used DBOS's own tools can have ended it like this.
      return { state: "failed", error: derived.error ?? { code: "E_INTERNAL", ...abandoned } };
    default:
      return derived;
  }
}

const abandoned = {
  message: `The workflow was ended from outside. ${errorCatalog.E_INTERNAL.remedy}`,
  remedy: errorCatalog.E_INTERNAL.remedy,
};
