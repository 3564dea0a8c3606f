import { randomUUID } from "node:crypto";
import type { Command } from "commander";
import { dedicatedServerNote } from "../../../aws/rds/price.ts";
import type { SignupStatus } from "../../../control/region-control.ts";
import type { TenantDocument } from "../../../control/tenant-document.ts";
import { fault, fromErrorJson } from "../../../core/error.ts";
import type { ApiClient } from "../../client.ts";
import { deployedTarget, openControlApi } from "../../control-api.ts";
import { example, type Invocation } from "../../invocation.ts";
import type { Output } from "../../output.ts";
import { describeTenant } from "./show.ts";

interface CreateOptions {
  readonly name: string;
  readonly region: string;
  readonly plan: string;
  readonly email: string;
}

/** `rowhouse tenant create <slug>`: shows each step, and returns when the tenant is open. */
export function addTenantCreate(parent: Command, invocation: Invocation): void {
  const line =
    '$0 tenant create acme --name "Acme Ltd" --region eu-west-1 --plan starter --email ada@acme.example';
  parent
    .command("create")
    .description("sign a tenant up")
    .argument("<slug>", "its host name label, as in acme")
    .requiredOption("--name <name>", "the company's name")
    .requiredOption("--region <region>", "where it lives")
    .requiredOption("--plan <plan>", "what it bought")
    .requiredOption("--email <address>", "its administrator's e-mail address")
    .addHelpText("after", example(invocation, line))
    .action(async (slug: string, { name, region, plan, email }: CreateOptions, command: Command) => {
      const startedAt = performance.now();
      const deployed = await deployedTarget(invocation, command);
      if (deployed?.plans[plan]?.isolation === "server")
        invocation.output.progress(describeServerCost(deployed.aws.databaseClasses.dedicated));
      await using client = await openControlApi(invocation, command);
      const signup = await client.request<SignupStatus>("/v1/tenants", {
        method: "POST",
        headers: { "idempotency-key": randomUUID() },
        body: { slug, name, region, plan, email },
      });
      await follow(client, signup, invocation.output);
      const tenant = await client.request<TenantDocument>(`/v1/tenants/${slug}`);
      const durationMs = Math.round(performance.now() - startedAt);
      invocation.output.result(
        { ...tenant, durationMs },
        () => `${describeTenant(tenant)}\n\nReady in ${durationMs} ms.`,
      );
    });
}

/** What a person should know before RDS makes a server for this tenant alone. */
function describeServerCost(instanceClass: string): string {
  const { quota, monthlyUsd, priceRegion, priceMonth, pricePage } = dedicatedServerNote(instanceClass);
  const price =
    monthlyUsd === undefined
      ? `what a ${instanceClass} costs is at ${pricePage}`
      : `about $${monthlyUsd} a month (${instanceClass} with its standby, ${priceRegion}, ${priceMonth}; today's price: ${pricePage})`;
  return `This plan has a database server of its own: ${price}. RDS makes it in 5 to 15 minutes, and an account has ${quota} in a region unless it asks for more.`;
}

/** Shows each step as it begins. @throws the fault that the sign-up failed with */
async function follow(client: ApiClient, signup: SignupStatus, output: Output): Promise<void> {
  let last = signup;
  let shown = "";
  for await (const status of client.events<SignupStatus>(`/v1/signups/${signup.id}/events`)) {
    last = status;
    const running = status.state === "undoing" ? "Taking back what was done" : currentTitle(status);
    if (running !== undefined && running !== shown) output.progress(`${running} …`);
    shown = running ?? shown;
  }
  if (last.state === "completed") return;
  throw last.error
    ? fromErrorJson(last.error)
    : fault("E_SIGNUP_FAILED", `The sign-up ${last.id} did not come to its end.`);
}

function currentTitle(status: SignupStatus): string | undefined {
  return status.steps.find((step) => step.state === "running")?.title;
}
