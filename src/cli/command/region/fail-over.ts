import type { Command } from "commander";
import type { FailOverOutcome } from "../../../control/recovery/outcome.ts";
import { confirm } from "../../confirm.ts";
import { openControlApi } from "../../control-api.ts";
import { example, type Invocation } from "../../invocation.ts";
import { table } from "../../output.ts";
import { followRegion } from "./follow.ts";

/** `rowhouse region fail-over <name>`: asks first, and returns when every tenant is served again or named as failed. */
export function addRegionFailOver(parent: Command, invocation: Invocation): void {
  parent
    .command("fail-over")
    .description("bring a lost region's tenants back in its recovery region")
    .argument("<name>", "the region that is lost")
    .option("--yes", "don't ask")
    .option("--force", "give up a region that still serves: its newest writes are lost")
    .addHelpText("after", example(invocation, "$0 region fail-over eu-west-1 --yes"))
    .action(async (name: string, { yes, force }: { yes?: true; force?: true }, command: Command) => {
      const { context, output } = invocation;
      await using client = await openControlApi(invocation, command);
      const text = `This gives the region ${name} up: its tenants go on in its recovery region, without their newest writes.`;
      await confirm(context, { text, answer: name, yes: yes === true });
      const path = `/v1/regions/${encodeURIComponent(name)}/fail-over`;
      await client.request(`${path}?wait=0`, { method: "POST", body: { force: force === true } });
      await followRegion(client, name, output);
      const outcome = await client.request<FailOverOutcome>(path);
      output.result(outcome, () => describeOutcome(outcome));
    });
}

function describeOutcome(outcome: FailOverOutcome): string {
  const { region, to, tenants, rpoSeconds, rtoSeconds, failed, fromBackup, mail, messages } = outcome;
  const lost = rpoSeconds === null ? "" : ` At most the last ${rpoSeconds} s of writes are lost.`;
  const pending = [
    mail === null ? "mail that was not sent yet is lost" : `${mail} unsent mails came along`,
    messages === null ? "messages in queues are lost" : `${messages} messages in queues came along`,
  ].join(", ");
  const lines = [
    `${tenants} tenants of ${region} are served from ${to}, after ${rtoSeconds.toFixed(1)} s.${lost}`,
    `Beside them: ${pending}.`,
  ];
  if (fromBackup.length > 0)
    lines.push(
      table(
        ["TENANT", "FROM A BACKUP, LOST AT MOST"],
        fromBackup.map((tenant) => [
          tenant.slug,
          tenant.rpoSeconds === null ? "unknown" : `${tenant.rpoSeconds} s`,
        ]),
      ),
    );
  if (failed.length > 0)
    lines.push(
      table(
        ["TENANT", "COULD NOT BE BROUGHT BACK"],
        failed.map(({ slug, error }) => [slug, error]),
      ),
    );
  return lines.join("\n\n");
}
