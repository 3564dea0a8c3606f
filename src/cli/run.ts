import { CommanderError } from "commander";
import { fault, type RowhouseError, toRowhouseError, UserError } from "../core/error.ts";
import type { CliContext } from "./context.ts";
import { Invocation } from "./invocation.ts";
import { Output } from "./output.ts";
import { createProgram } from "./program.ts";

/** Runs one command line and tells the exit code: 0 done, 1 system fault, 2 the user's input. */
export async function run(words: readonly string[], context: CliContext): Promise<number> {
  const output = new Output({ json: wantsJson(words), stdout: context.stdout, stderr: context.stderr });
  const invocation = new Invocation(context, output);
  try {
    await createProgram(invocation).parseAsync(words, { from: "user" });
    return (await output.failed()) ? 1 : invocation.exitCode;
  } catch (thrown) {
    // Help and version that were asked for have been printed.
    if (thrown instanceof CommanderError && thrown.exitCode === 0) return (await output.failed()) ? 1 : 0;
    const error = thrown instanceof CommanderError ? usageFault(thrown) : toRowhouseError(thrown);
    // A call without a command was answered with the help.
    if (output.json || !isHelp(thrown)) output.error(error);
    return error instanceof UserError ? 2 : 1;
  }
}

/** Known before the words are understood, because a usage error must be JSON too. */
function wantsJson(words: readonly string[]): boolean {
  const end = words.indexOf("--");
  return (end < 0 ? words : words.slice(0, end)).includes("--json");
}

function isHelp(thrown: unknown): boolean {
  return thrown instanceof CommanderError && thrown.code === "commander.help";
}

function usageFault(thrown: CommanderError): RowhouseError {
  const remedy = "See `rowhouse --help`, or `rowhouse <command> --help`.";
  if (isHelp(thrown)) return fault("E_ARGUMENT", "A command is missing.", { remedy });
  const text = thrown.message
    .replace(/^error: /, "")
    .replaceAll(/\s*\n\s*/g, " ")
    .replace(/[.\s]*$/, "");
  return fault("E_ARGUMENT", `${text.charAt(0).toUpperCase()}${text.slice(1)}.`, { remedy });
}
