import type { Command } from "commander";
import type { FailBackOutcome } from "../../../control/recovery/outcome.ts";
import { confirm } from "../../confirm.ts";
import { openControlApi } from "../../control-api.ts";
import { example, type Invocation } from "../../invocation.ts";
import { table } from "../../output.ts";
import { followRegion } from "./follow.ts";

/** `rowhouse region fail-back <name>`: asks first, and returns when the region's tenants live there again. */
export function addRegionFailBack(parent: Command, invocation: Invocation): void {
  parent
    .command("fail-back")
    .description("take a region that failed over into service again, empty, and move its tenants back")
    .argument("<name>", "the region that had failed over")
    .option("--yes", "don't ask")
    .addHelpText("after", example(invocation, "$0 region fail-back eu-west-1 --yes"))
    .action(async (name: string, { yes }: { yes?: true }, command: Command) => {
      const { context, output } = invocation;
      await using client = await openControlApi(invocation, command);
      const text = `This removes for good what the region ${name} still has of before its failover, and moves its tenants back.`;
      await confirm(context, { text, answer: name, yes: yes === true });
      const path = `/v1/regions/${encodeURIComponent(name)}/fail-back`;
      await client.request(`${path}?wait=0`, { method: "POST" });
      await followRegion(client, name, output);
      const outcome = await client.request<FailBackOutcome>(path);
      output.result(outcome, () => describeOutcome(outcome));
    });
}

function describeOutcome({ region, from, tenants, failed, durationMs }: FailBackOutcome): string {
  const done = `${tenants} tenants moved from ${from} back to ${region}, in ${(durationMs / 1000).toFixed(1)} s.`;
  if (failed.length === 0) return done;
  const left = table(
    ["TENANT", `STAYS IN ${from}`],
    failed.map(({ slug, error }) => [slug, error]),
  );
  return [done, left, `\`rowhouse region fail-back ${region}\` tries them again.`].join("\n\n");
}
