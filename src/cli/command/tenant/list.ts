import type { Command } from "commander";
import type { TenantDocument } from "../../../control/tenant-document.ts";
import { openControlApi } from "../../control-api.ts";
import { example, type Invocation } from "../../invocation.ts";
import { table } from "../../output.ts";

/** `rowhouse tenant list` */
export function addTenantList(parent: Command, invocation: Invocation): void {
  parent
    .command("list")
    .description("list all tenants by slug")
    .option("--region <region>", "only those that live there")
    .addHelpText("after", example(invocation, "$0 tenant list --region eu-west-1"))
    .action(async ({ region }: { region?: string }, command: Command) => {
      await using client = await openControlApi(invocation, command);
      const query = region === undefined ? "" : `?${new URLSearchParams({ region })}`;
      const tenants = await client.request<TenantDocument[]>(`/v1/tenants${query}`);
      invocation.output.result(tenants, () => describeList(tenants, invocation));
    });
}

function describeList(tenants: readonly TenantDocument[], { context }: Invocation): string {
  if (tenants.length === 0)
    return `There are no tenants; \`${context.commandName} tenant create --help\` shows how to make one.`;
  return table(
    ["SLUG", "STATE", "REGION", "PLAN", "ISOLATION", "SCHEMA", "URL", "NAME"],
    tenants.map(({ slug, state, region, plan, isolation, schemaVersion, url, name, note }) => [
      slug,
      state,
      region,
      plan,
      isolation,
      schemaVersion,
      url,
      name ?? `(${note ?? "unknown"})`,
    ]),
  );
}
