import type { Command } from "commander";
import type { RestorationStatus } from "../../../control/backup/restoration.ts";
import type { TenantDocument } from "../../../control/tenant-document.ts";
import { describeRestore, followRestore } from "../../archive/follow-restore.ts";
import { confirm } from "../../confirm.ts";
import { openControlApi } from "../../control-api.ts";
import { example, type Invocation } from "../../invocation.ts";

interface RestoreOptions {
  readonly at?: string;
  readonly backup?: string;
  readonly as?: string;
  readonly yes?: true;
}

/** `rowhouse tenant restore <slug>`: asks first, unless a new tenant is made. */
export function addTenantRestore(parent: Command, invocation: Invocation): void {
  parent
    .command("restore")
    .description("bring a tenant's rows, files and settings back from a backup")
    .argument("<slug>", "the tenant's slug")
    .option("--at <time>", 'the newest backup not after it: 2026-05-04T10:30:00Z, or like "2h ago"')
    .option("--backup <id>", "this backup")
    .option("--as <slug>", "make a new tenant of it, and leave the old one as it is")
    .option("--yes", "don't ask")
    .addHelpText("after", example(invocation, '$0 tenant restore acme --at "2h ago" --as acme-before'))
    .action(async (slug: string, { yes, ...wish }: RestoreOptions, command: Command) => {
      const { context, output } = invocation;
      await using client = await openControlApi(invocation, command);
      const path = `/v1/tenants/${encodeURIComponent(slug)}`;
      if (wish.as === undefined) {
        const { name, region } = await client.request<TenantDocument>(path);
        await confirm(context, {
          text: `This replaces all data of ${slug}${name === null ? "" : ` (${name})`} in ${region}. The state before is kept as a backup.`,
          answer: slug,
          yes: yes === true,
        });
      }
      const begun = await client.request<RestorationStatus>(`${path}/restore`, {
        method: "POST",
        body: wish,
      });
      const result = await followRestore(client, begun, output);
      output.result(result, () => describeRestore(result));
    });
}
