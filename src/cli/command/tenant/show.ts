import type { Command } from "commander";
import type { TenantDocument } from "../../../control/tenant-document.ts";
import { openControlApi } from "../../control-api.ts";
import { example, type Invocation } from "../../invocation.ts";
import { pairs } from "../../output.ts";

/** `rowhouse tenant show <slug>` */
export function addTenantShow(parent: Command, invocation: Invocation): void {
  parent
    .command("show")
    .description("show one tenant")
    .argument("<slug>", "the tenant's slug")
    .addHelpText("after", example(invocation, "$0 tenant show acme"))
    .action(async (slug: string, _options: object, command: Command) => {
      await using client = await openControlApi(invocation, command);
      const tenant = await client.request<TenantDocument>(`/v1/tenants/${encodeURIComponent(slug)}`);
      invocation.output.result(tenant, () => describeTenant(tenant));
    });
}

/** A tenant for people. */
export function describeTenant(tenant: TenantDocument): string {
  const { slug, name, region, plan, isolation, state, schemaVersion, url, createdAt, note, operation } =
    tenant;
  return pairs({
    slug,
    name,
    ...(note === undefined ? {} : { note }),
    state,
    ...(operation === undefined ? {} : { "under way": `${operation.kind} since ${operation.startedAt}` }),
    url,
    region,
    plan: `${plan} (its own ${isolation})`,
    "schema version": schemaVersion,
    "created at": createdAt,
  });
}
