import type { Command } from "commander";
import { example, type Invocation } from "../invocation.ts";
import { createApplication } from "../new/create-application.ts";

/** `rowhouse new <folder>`: a small application that runs at once. */
export function addNew(parent: Command, invocation: Invocation): void {
  parent
    .command("new")
    .description("write a small, complete application into a new folder")
    .argument("<folder>", "the folder to make; its name becomes the application's")
    .addHelpText("after", example(invocation, "$0 new guestbook"))
    .action(async (folder: string) => {
      const { context, output } = invocation;
      const created = await createApplication({
        folder,
        workingDirectory: context.workingDirectory,
        packageRoot: context.packageRoot,
        version: context.version,
      });
      const lines = [`Wrote ${created.files.join(", ")} in ${created.folder}`, "", "Next:", `  cd ${folder}`];
      output.result(created, () => [...lines, `  ${absoluteCommand(invocation)} up`].join("\n"));
    });
}

/** The hint changes the folder first: a relative path to the command would lead astray. */
function absoluteCommand({ context: { commandName, packageRoot } }: Invocation): string {
  return commandName === "rowhouse" ? commandName : `${packageRoot}/bin/rowhouse`;
}
