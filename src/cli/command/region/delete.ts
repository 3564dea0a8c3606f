import type { Command } from "commander";
import type { RegionDocument } from "../../../control/regions/document.ts";
import type { Config } from "../../../core/config/schema.ts";
import { fault } from "../../../core/error.ts";
import { awsAccess, importAws } from "../../aws.ts";
import { confirm } from "../../confirm.ts";
import { deployedTarget, openControlApi } from "../../control-api.ts";
import { example, type Invocation } from "../../invocation.ts";
import { followRegion } from "./follow.ts";

/** `rowhouse region delete <name>`: asks first, refuses while a tenant lives there, and returns when it is gone. */
export function addRegionDelete(parent: Command, invocation: Invocation): void {
  parent
    .command("delete")
    .description("remove a region in which no tenant lives, with all that is stored in it")
    .argument("<name>", "the region's name")
    .option("--yes", "don't ask")
    .addHelpText("after", example(invocation, "$0 region delete eu-central-1 --yes"))
    .action(async (name: string, { yes }: { yes?: true }, command: Command) => {
      const { context, output } = invocation;
      await using client = await openControlApi(invocation, command);
      const path = `/v1/regions/${encodeURIComponent(name)}`;
      const region = await client.request<RegionDocument>(path);
      // The API looks again, so that no sign-up slips in between.
      if (region.tenants > 0) throw fault("E_REGION_IN_USE", `${region.tenants} tenants live in ${name}.`);
      const regions = await client.request<RegionDocument[]>("/v1/regions");
      await confirm(context, { text: describeLoss(region, regions), answer: name, yes: yes === true });
      const begun = await client.request<RegionDocument>(`${path}?wait=0`, { method: "DELETE" });
      await followRegion(client, name, output);
      const config = await deployedTarget(invocation, command);
      if (config) await removeStacks(invocation, config, name);
      output.result({ ...begun, status: "absent" }, () => `The region ${name} is gone.`);
    });
}

/** On AWS it is the operator's own rights that remove a region; the control plane has only shut it. */
async function removeStacks({ context, output }: Invocation, config: Config, name: string): Promise<void> {
  const { openForRemoval } = await importAws(() => import("../../../programs/aws/deploy/open.ts"));
  const deployment = await openForRemoval({ config, version: context.version, accessTo: awsAccess });
  await deployment.remove(name, (message) => output.progress(message));
}

function describeLoss({ name }: RegionDocument, regions: readonly RegionDocument[]): string {
  const relying = regions.filter(({ recovery }) => recovery === name).map((region) => region.name);
  const recovery =
    relying.length === 0 ? "" : ` ${relying.join(" and ")} could not be recovered there any more.`;
  return `This removes the region ${name} with its databases, files, mail and logs for good.${recovery}`;
}
