import type { Command } from "commander";
import type { RegionDocument } from "../../../control/regions/document.ts";
import { deployedTarget, openControlApi } from "../../control-api.ts";
import { example, type Invocation } from "../../invocation.ts";
import { runDeploy } from "../aws/deploy.ts";
import { followRegion } from "./follow.ts";

/** `rowhouse region create <name>`: the whole architecture in one more region, and returns when it serves. */
export function addRegionCreate(parent: Command, invocation: Invocation): void {
  parent
    .command("create")
    .description("bring a region of the config into being, or up to date")
    .argument("<name>", "the region's name in rowhouse.config.ts, where it may have been added just now")
    .option("--yes", "don't ask; on AWS, the changes are shown and confirmed first")
    .addHelpText("after", example(invocation, "$0 region create eu-central-1"))
    .action(async (name: string, { yes }: { yes?: true }, command: Command) => {
      if (await deployedTarget(invocation, command))
        return runDeploy(invocation, command, { region: name, ...(yes ? { yes } : {}) });
      const startedAt = performance.now();
      await using client = await openControlApi(invocation, command);
      await client.request("/v1/regions?wait=0", { method: "POST", body: { name } });
      await followRegion(client, name, invocation.output);
      const region = await client.request<RegionDocument>(`/v1/regions/${encodeURIComponent(name)}`);
      const durationMs = Math.round(performance.now() - startedAt);
      invocation.output.result(
        { ...region, durationMs },
        () => `The region ${name} is ${region.status}, after ${(durationMs / 1000).toFixed(1)} s.`,
      );
    });
}
