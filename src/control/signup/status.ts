import { signupSteps } from "../../core/signup/steps.ts";
import type { WorkflowExecution } from "../../ports/workflows.ts";
import type { SignupStatus, SignupStepStatus } from "../region-control.ts";
import type { SignupWorkflowInput } from "./workflow.ts";

/** A sign-up as the person who waits sees it. */
export function signupStatus(region: string, execution: WorkflowExecution): SignupStatus {
  const input = execution.input as SignupWorkflowInput;
  return {
    id: execution.id,
    slug: input.slug,
    region,
    state: execution.state,
    steps: stepStates(execution),
    startedAt: execution.startedAt.toISOString(),
    ...(execution.error ? { error: execution.error } : {}),
  };
}

function stepStates(execution: WorkflowExecution): SignupStepStatus[] {
  const states = new Map<string, SignupStepStatus["state"]>();
  for (const event of execution.history) {
    if (event.type === "stepCompleted")
      states.set(event.step, event.result === "not-configured" ? "not-configured" : "done");
    else if (event.type === "stepFailed") states.set(event.step, "failed");
    // The step that failed stays marked as such: it is the one to look at.
    else if (event.type === "stepUndone" && states.get(event.step) !== "failed")
      states.set(event.step, "undone");
  }
  const running =
    execution.state === "running" ? signupSteps.find((step) => !states.has(step.name))?.name : undefined;
  return signupSteps.map(({ name, title }) => ({
    name,
    title,
    state: states.get(name) ?? (name === running ? "running" : "waiting"),
  }));
}
