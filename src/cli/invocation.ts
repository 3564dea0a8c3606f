import type { Command } from "commander";
import type { CliContext } from "./context.ts";
import { type ConfigLocation, findConfig, findStateFolder } from "./locate.ts";
import type { Output } from "./output.ts";

/** The options that every command takes. */
interface GlobalOptions {
  readonly json?: true;
  readonly config?: string;
  readonly stateDir?: string;
}

/** One call of the command line. */
export class Invocation {
  readonly context: CliContext;
  readonly output: Output;
  /** 0 done, 1 system fault, 2 the user's input. */
  exitCode = 0;

  constructor(context: CliContext, output: Output) {
    this.context = context;
    this.output = output;
  }

  /** The config file that the options or the working directory mean. @throws E_CONFIG_NOT_FOUND */
  config(command: Command): Promise<ConfigLocation> {
    return findConfig(this.#places(command));
  }

  /** The state folder that the options or the working directory mean. @throws E_CONFIG_NOT_FOUND */
  stateFolder(command: Command): Promise<string> {
    return findStateFolder(this.#places(command));
  }

  #places(command: Command) {
    const { config, stateDir } = command.optsWithGlobals<GlobalOptions>();
    return {
      workingDirectory: this.context.workingDirectory,
      packageRoot: this.context.packageRoot,
      ...(config === undefined ? {} : { config }),
      ...(stateDir === undefined ? {} : { stateDir }),
    };
  }
}

/** Ends a command's help with an example; `$0` is the name that the user calls. */
export function example(invocation: Invocation, ...lines: readonly string[]): string {
  const shown = lines.map((line) => `  ${line.replace("$0", invocation.context.commandName)}`);
  return `\nExample:\n${shown.join("\n")}`;
}
