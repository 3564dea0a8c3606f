import { type Command, InvalidArgumentError } from "commander";
import { fault } from "../../core/error.ts";
import { StateFolder } from "../../embedded/state-folder.ts";
import { example, type Invocation } from "../invocation.ts";
import { LogTails } from "../logs/follow-logs.ts";
import { formatLogEntry, type LogEntry } from "../logs/log-entry.ts";
import { lastOf, readLogs } from "../logs/read-logs.ts";

interface LogsOptions {
  readonly tenant?: string;
  readonly follow?: true;
  readonly lines?: number;
}

/** How much of the past `--follow` begins with. */
const linesBeforeFollowing = 20;

/** `rowhouse logs`: what all processes wrote, in the order of time. Works whether or not they run. */
export function addLogs(parent: Command, invocation: Invocation): void {
  parent
    .command("logs")
    .description("show what all processes wrote, in the order of time")
    .option("--tenant <slug>", "only what is about this tenant")
    .option("--follow", "go on with what is written from now on, until Ctrl-C")
    .option("--lines <count>", "only the last ones", lineCount)
    .addHelpText("after", example(invocation, "$0 logs --tenant acme --follow"))
    .action(async ({ tenant, follow, lines }: LogsOptions, command: Command) => {
      const { output, context } = invocation;
      if (follow && output.json) {
        throw fault("E_ARGUMENT", "What --follow shows has no end, so it can't be one JSON document.", {
          remedy: "Leave out --json or --follow.",
        });
      }
      const folder = new StateFolder(await invocation.stateFolder(command)).logs;
      const about = (entries: AsyncIterable<LogEntry>) => aboutTenant(entries, tenant);
      const last = (entries: AsyncIterable<LogEntry>, count: number | undefined) =>
        count === undefined ? entries : lastOf(entries, count);
      if (!follow) return output.stream(last(about(readLogs(folder)), lines), formatLogEntry);

      const interrupted = new AbortController();
      for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"])
        context.signals.on(signal, () => interrupted.abort());
      const tails = await LogTails.open(folder);
      await output.stream(
        last(about(readLogs(folder, tails.sizes)), lines ?? linesBeforeFollowing),
        formatLogEntry,
      );
      await output.stream(
        about(tails.follow(AbortSignal.any([interrupted.signal, output.closed]))),
        formatLogEntry,
      );
    });
}

function lineCount(text: string): number {
  if (/^[1-9]\d{0,8}$/.test(text)) return Number(text);
  throw new InvalidArgumentError("It must be a whole number above 0.");
}

async function* aboutTenant(
  entries: AsyncIterable<LogEntry>,
  tenant: string | undefined,
): AsyncGenerator<LogEntry, void, void> {
  for await (const entry of entries) if (tenant === undefined || entry.tenant === tenant) yield entry;
}
