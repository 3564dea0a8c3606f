import type { Command } from "commander";
import type { TenantDocument } from "../../../control/tenant-document.ts";
import { openControlApi } from "../../control-api.ts";
import { example, type Invocation } from "../../invocation.ts";

/** `rowhouse tenant resume <slug>` */
export function addTenantResume(parent: Command, invocation: Invocation): void {
  parent
    .command("resume")
    .description("serve a suspended tenant again")
    .argument("<slug>", "the tenant's slug")
    .addHelpText("after", example(invocation, "$0 tenant resume acme"))
    .action(async (slug: string, _options: object, command: Command) => {
      await using client = await openControlApi(invocation, command);
      const path = `/v1/tenants/${encodeURIComponent(slug)}/resume`;
      const tenant = await client.request<TenantDocument>(path, { method: "POST" });
      invocation.output.result(tenant, () => `The tenant ${slug} is ${tenant.state}.`);
    });
}
