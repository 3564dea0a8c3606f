import type { Command } from "commander";
import type { DatabaseDocument, FailOverDocument } from "../../../control/database/servers.ts";
import { fault } from "../../../core/error.ts";
import type { ApiClient } from "../../client.ts";
import { confirm } from "../../confirm.ts";
import { openControlApi } from "../../control-api.ts";
import { example, type Invocation } from "../../invocation.ts";

/** `rowhouse database fail-over <server>`: asks first, and returns when the standby takes writes. */
export function addDatabaseFailOver(parent: Command, invocation: Invocation): void {
  parent
    .command("fail-over")
    .description("make a database server's standby the primary")
    .argument(
      "<server>",
      "as `database list` names it; the region may be left out where the name is the only one",
    )
    .option("--yes", "don't ask")
    .addHelpText("after", example(invocation, "$0 database fail-over eu-west-1/shared-1 --yes"))
    .action(async (given: string, { yes }: { yes?: true }, command: Command) => {
      const { context, output } = invocation;
      await using client = await openControlApi(invocation, command);
      const name = await wholeName(client, given);
      const text = `Connections to ${name} end for a moment, and transactions that are open are rolled back.`;
      await confirm(context, { text, answer: name, yes: yes === true });
      const path = name.split("/").map(encodeURIComponent).join("/");
      const done = await client.request<FailOverDocument>(`/v1/databases/${path}/fail-over`, {
        method: "POST",
      });
      output.result(
        done,
        () =>
          `${name} has its primary in zone ${done.to.zone} instead of ${done.from.zone}, after ${done.durationMs} ms.`,
      );
    });
}

async function wholeName(client: ApiClient, given: string): Promise<string> {
  if (given.includes("/")) return given;
  const servers = await client.request<DatabaseDocument[]>("/v1/databases");
  const names = servers.filter(({ name }) => name === given).map(({ region, name }) => `${region}/${name}`);
  if (names.length > 1) {
    throw fault("E_ARGUMENT", `Several regions have a database server "${given}".`, {
      remedy: `Say which: ${names.join(", ")}.`,
    });
  }
  if (!names[0]) {
    throw fault("E_NOT_FOUND", `There is no database server "${given}".`, {
      remedy: "`rowhouse database list` names all of them.",
    });
  }
  return names[0];
}
