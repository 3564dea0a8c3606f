import type { Command } from "commander";
import type { StatusDocument } from "../../control/status.ts";
import type { DatabaseNodeStatus } from "../../ports/databases.ts";
import { openControlApi } from "../control-api.ts";
import { example, type Invocation } from "../invocation.ts";
import { printable, table } from "../output.ts";

/** `rowhouse status`: what runs, where, and how it is. */
export function addStatus(parent: Command, invocation: Invocation): void {
  parent
    .command("status")
    .description("show regions, databases and instances")
    .addHelpText("after", example(invocation, "$0 status"))
    .action(async (_options: object, command: Command) => {
      await using client = await openControlApi(invocation, command);
      const status = await client.request<StatusDocument>("/v1/status");
      invocation.output.result(status, () => describe(status));
    });
}

function describe(status: StatusDocument): string {
  const { regions } = status;
  return [
    `Rowhouse ${status.version}, process ${status.pid}, ${status.url}, API ${status.apiUrl}`,
    table(
      ["REGION", "STATUS", "JURISDICTION", "CONTROLLER", "BALANCER"],
      regions.map(({ name, status, jurisdiction, controller, balancer }) => [
        name,
        status,
        jurisdiction,
        controller.pid,
        balancer.url,
      ]),
    ),
    table(
      ["REGION", "DATABASE", "STATUS", "PRIMARY", "STANDBY", "LAG"],
      regions.flatMap((region) =>
        region.databases.map(({ name, status, primary, standby }) => [
          region.name,
          name,
          status,
          node(primary),
          node(standby),
          standby?.lagBytes == null ? null : `${standby.lagBytes} B`,
        ]),
      ),
    ),
    table(
      ["REGION", "FLEET", "INSTANCE", "ZONE", "STATE", "HEALTH", "RELEASE", "ADDRESS", "PID"],
      regions.flatMap((region) =>
        region.fleets.flatMap((fleet) =>
          fleet.instances.map(({ id, zone, state, health, release, address, pid }) => [
            region.name,
            fleet.name,
            id,
            zone,
            state,
            health,
            release,
            address,
            pid,
          ]),
        ),
      ),
    ),
    ...regions.flatMap((region) =>
      (region.backupProblems ?? []).map(
        ({ slug, backup, error }) =>
          `${region.name}: ${backup === null ? `${slug} could not be backed up` : `the backup ${backup} of ${slug} can't be restored`}: ${printable(error.message)} [${error.code}]`,
      ),
    ),
  ].join("\n\n");
}

function node(status: DatabaseNodeStatus | null): string | null {
  return status && `${status.zone}:${status.port} ${status.status}`;
}
