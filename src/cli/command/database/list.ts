import type { Command } from "commander";
import type { DatabaseDocument } from "../../../control/database/servers.ts";
import { openControlApi } from "../../control-api.ts";
import { example, type Invocation } from "../../invocation.ts";
import { table } from "../../output.ts";

/** `rowhouse database list`: every database server, where its primary is, and whether its standby may take over. */
export function addDatabaseList(parent: Command, invocation: Invocation): void {
  parent
    .command("list")
    .description("list all database servers, and whether their standbys may take over")
    .addHelpText("after", example(invocation, "$0 database list"))
    .action(async (_options: object, command: Command) => {
      await using client = await openControlApi(invocation, command);
      const servers = await client.request<DatabaseDocument[]>("/v1/databases");
      invocation.output.result(servers, () =>
        table(
          ["SERVER", "STATUS", "PRIMARY", "STANDBY", "IN SYNC", "LAG"],
          servers.map(({ region, name, status, primary, standby, inSync }) => [
            `${region}/${name}`,
            status,
            primary && `zone ${primary.zone}, port ${primary.port}`,
            standby && `zone ${standby.zone}, port ${standby.port}`,
            inSync ? "yes" : "no",
            standby?.lagBytes == null ? null : `${standby.lagBytes} bytes`,
          ]),
        ),
      );
    });
}
