import type { Command } from "commander";
import type { TenantDocument } from "../../../control/tenant-document.ts";
import { confirm } from "../../confirm.ts";
import { openControlApi } from "../../control-api.ts";
import { example, type Invocation } from "../../invocation.ts";

/** `rowhouse tenant close <slug>`: asks first, and returns when the tenant's data is gone. */
export function addTenantClose(parent: Command, invocation: Invocation): void {
  parent
    .command("close")
    .description("close a tenant for good: its data is deleted")
    .argument("<slug>", "the tenant's slug")
    .option("--yes", "don't ask")
    .addHelpText("after", example(invocation, "$0 tenant close acme --yes"))
    .action(async (slug: string, { yes }: { yes?: true }, command: Command) => {
      const { context, output } = invocation;
      await using client = await openControlApi(invocation, command);
      const path = `/v1/tenants/${encodeURIComponent(slug)}`;
      const { name, region } = await client.request<TenantDocument>(path);
      await confirm(context, {
        text: `This deletes all data of ${slug}${name === null ? "" : ` (${name})`} in ${region} for good.`,
        answer: slug,
        yes: yes === true,
      });
      output.progress(`Closing ${slug} …`);
      const tenant = await client.request<TenantDocument>(`${path}/close`, { method: "POST" });
      output.result(tenant, () => `The tenant ${slug} is ${tenant.state}.`);
    });
}
