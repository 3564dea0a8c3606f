import type { Command } from "commander";
import type { RegionDocument } from "../../../control/regions/document.ts";
import { openControlApi } from "../../control-api.ts";
import { example, type Invocation } from "../../invocation.ts";
import { table } from "../../output.ts";

/** `rowhouse region list`: every region, whether it is there, and what is not as declared. */
export function addRegionList(parent: Command, invocation: Invocation): void {
  parent
    .command("list")
    .description("list all regions, and what in them is not as declared")
    .option("--drift", "look anew for what differs; on AWS that takes minutes")
    .addHelpText("after", example(invocation, "$0 region list"))
    .action(async ({ drift }: { drift?: true }, command: Command) => {
      await using client = await openControlApi(invocation, command);
      const regions = await client.request<RegionDocument[]>(`/v1/regions${drift ? "?drift=1" : ""}`);
      invocation.output.result(regions, () => describeRegions(regions));
    });
}

/** Regions for people. */
function describeRegions(regions: readonly RegionDocument[]): string {
  const list = table(
    ["REGION", "STATUS", "JURISDICTION", "ZONES", "RECOVERY", "TENANTS", "DRIFT"],
    regions.map(({ name, status, jurisdiction, zones, recovery, tenants, drift, failedOverTo }) => [
      name,
      failedOverTo === null ? status : `${status}, in ${failedOverTo}`,
      jurisdiction,
      zones.join(","),
      recovery,
      tenants,
      drift === undefined ? null : drift.length === 0 ? "none" : `${drift.length} of its parts`,
    ]),
  );
  const problems = regions.flatMap(({ name, problem }) => (problem === null ? [] : [`${name}: ${problem}`]));
  const drifted = regions.flatMap(({ name, drift = [] }) =>
    drift.map(({ id, type, detail }) => [name, id, type, detail] as const),
  );
  const details = drifted.length === 0 ? [] : [table(["REGION", "PART", "TYPE", "DRIFT"], drifted)];
  return [list, ...problems, ...details].join("\n\n");
}
