import { type Command, InvalidArgumentError } from "commander";
import { blockedPortOf } from "../../embedded/blocked-ports.ts";
import { loadConfig } from "../config-file.ts";
import { example, type Invocation } from "../invocation.ts";
import { startDetached } from "../up/detached.ts";
import { runForeground } from "../up/foreground.ts";
import { describeNext, describeSummary } from "../up/summary.ts";

interface UpCommandOptions {
  readonly port: number;
  readonly host: string;
  readonly detach?: true;
  readonly reportToParent?: true;
}

/** `rowhouse up`: starts everything, shows how that goes, and stays until Ctrl-C, or returns with `--detach`. */
export function addUp(parent: Command, invocation: Invocation): void {
  parent
    .command("up")
    .description("start everything on this machine")
    .option("--port <port>", "the first of the ports; the others follow from it", basePort, 8080)
    .option("--host <address>", "the address to listen on", "127.0.0.1")
    .option("--detach", "return when it is ready, and let it run on")
    // How `--detach` calls itself: progress goes to the waiting process too.
    .addOption(parent.createOption("--report-to-parent").hideHelp())
    .addHelpText("after", example(invocation, "$0 up --detach --port 9000"))
    .action(async (options: UpCommandOptions, command: Command) => {
      const location = await invocation.config(command);
      const config = await loadConfig(location.configFile);
      const { port, host } = options;
      if (!options.detach) {
        const reporting = options.reportToParent === true;
        const readConfig = () => loadConfig(location.configFile);
        await runForeground(invocation, { ...location, config, readConfig, basePort: port, host, reporting });
        return;
      }
      const summary = await startDetached(invocation, { ...location, basePort: port, host });
      if (!summary) return invocation.output.result({ stopped: true }, () => "Stopped.");
      const next = describeNext(invocation.context.commandName, config);
      invocation.output.result(summary, () => `${describeSummary(summary)}\n\n${next}`);
    });
}

/** Reads a base port: the highest one that the plan of listeners reaches lies some two thousand above the base. */
export function basePort(text: string): number {
  const port = Number(text);
  if (!/^\d+$/.test(text) || port < 1 || port > 63_000)
    throw new InvalidArgumentError("It must be a number from 1 to 63000.");
  const blocked = blockedPortOf(port);
  if (blocked === undefined) return port;
  throw new InvalidArgumentError(
    `No browser opens a page at port ${blocked}, which would be one of those that follow from it.`,
  );
}
