import type { IntegrationName } from "../../ports/integrations.ts";
import type { WorkflowStep } from "../../ports/workflows.ts";
import type { RegionContext } from "../region-context.ts";
import type { SignupWorkflowInput } from "./workflow.ts";

/** Tells one outside system of the new tenant; its undo tells that the tenant is gone. Ids make repeats harmless. */
export function integrationStep(
  context: RegionContext,
  system: IntegrationName,
): Pick<WorkflowStep<SignupWorkflowInput>, "run" | "undo" | "retry"> {
  const { integrations, clock } = context.platform;
  const event = (input: SignupWorkflowInput, type: string) => ({
    type,
    // Ids of Standard Webhooks hold no dots.
    id: [input.id, system, type].join(":").replaceAll(".", "_"),
    occurredAt: clock.now(),
    data: { slug: input.slug, name: input.name, region: input.region, plan: input.plan, email: input.email },
  });
  return {
    run: (input) => integrations.notify(system, event(input, "tenant.created")),
    undo: async (input) => {
      await integrations.notify(system, event(input, "tenant.cancelled"));
    },
    // The port has retried already, with backoff.
    retry: { maxAttempts: 1, initialIntervalSeconds: 1, backoffRate: 2 },
  };
}
