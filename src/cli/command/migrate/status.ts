import type { Command } from "commander";
import type { MigrateStatusDocument } from "../../../control/migration/status.ts";
import { openControlApi } from "../../control-api.ts";
import { example, type Invocation } from "../../invocation.ts";
import { table } from "../../output.ts";

/** `rowhouse migrate status` */
export function addMigrateStatus(parent: Command, invocation: Invocation): void {
  parent
    .command("status")
    .description("show how many tenants have which schema version")
    .addHelpText("after", example(invocation, "$0 migrate status"))
    .action(async (_options: object, command: Command) => {
      await using client = await openControlApi(invocation, command);
      const status = await client.request<MigrateStatusDocument>("/v1/migrations");
      invocation.output.result(status, () => describe(status));
    });
}

function describe({ total, behind, regions }: MigrateStatusDocument): string {
  const rows = regions.flatMap(({ name, target, versions }) =>
    versions.map(({ schemaVersion, tenants }) => [
      name,
      schemaVersion,
      tenants,
      schemaVersion < target ? `behind ${target}` : "newest",
    ]),
  );
  return `${total} tenants, ${behind} behind.${rows.length > 0 ? `\n\n${table(["REGION", "SCHEMA", "TENANTS", ""], rows)}` : ""}`;
}
