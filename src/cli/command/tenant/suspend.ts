import type { Command } from "commander";
import type { TenantDocument } from "../../../control/tenant-document.ts";
import { openControlApi } from "../../control-api.ts";
import { example, type Invocation } from "../../invocation.ts";

/** `rowhouse tenant suspend <slug>` */
export function addTenantSuspend(parent: Command, invocation: Invocation): void {
  parent
    .command("suspend")
    .description("stop serving a tenant; its data stays")
    .argument("<slug>", "the tenant's slug")
    .addHelpText("after", example(invocation, "$0 tenant suspend acme"))
    .action(async (slug: string, _options: object, command: Command) => {
      await using client = await openControlApi(invocation, command);
      const path = `/v1/tenants/${encodeURIComponent(slug)}/suspend`;
      const tenant = await client.request<TenantDocument>(path, { method: "POST" });
      invocation.output.result(tenant, () => `The tenant ${slug} is ${tenant.state}.`);
    });
}
