import type { Command } from "commander";
import { example, type Invocation } from "../invocation.ts";

/** `rowhouse down`: ends the supervisor and all that it started, in order; nothing that is stored is touched. */
export function addDown(parent: Command, invocation: Invocation): void {
  parent
    .command("down")
    .description("stop everything that runs; all data stays")
    .addHelpText("after", example(invocation, "$0 down"))
    .action(async (_options: object, command: Command) => {
      const stateDirectory = await invocation.stateFolder(command);
      const { stopped } = await invocation.context.programs.stopEverything({
        stateDirectory,
        onProgress: ({ message }) => invocation.output.progress(`Stopping ${message} …`),
      });
      invocation.output.result({ stopped }, () =>
        stopped === 0
          ? "Nothing was running."
          : `Stopped ${stopped} ${stopped === 1 ? "process" : "processes"}.`,
      );
    });
}
