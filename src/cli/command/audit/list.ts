import type { Command } from "commander";
import type { AuditEntry } from "../../../control/audit.ts";
import { openControlApi } from "../../control-api.ts";
import { example, type Invocation } from "../../invocation.ts";

/** `rowhouse audit list`: what was decided about tenants, and by whom. */
export function addAuditList(parent: Command, invocation: Invocation): void {
  parent
    .command("list")
    .description("show what was decided about tenants, and by whom, oldest first")
    .option("--tenant <slug>", "about this tenant alone")
    .addHelpText("after", example(invocation, "$0 audit list --tenant acme"))
    .action(async ({ tenant }: { readonly tenant?: string }, command: Command) => {
      await using client = await openControlApi(invocation, command);
      const query = tenant === undefined ? "" : `?${new URLSearchParams({ tenant })}`;
      const entries = await client.request<readonly AuditEntry[]>(`/v1/audit${query}`);
      invocation.output.result(
        entries,
        () => entries.map(describeEntry).join("\n") || "Nothing was decided.",
      );
    });
}

function describeEntry({ at, region, actor, action, tenant, details }: AuditEntry): string {
  const words = Object.entries(details).map(([name, value]) => `${name}: ${value}`);
  return `${at}  ${region}  ${actor}  ${action} ${tenant}  ${words.join(", ")}`;
}
