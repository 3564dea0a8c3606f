import { spawn } from "node:child_process";
import { EventEmitter } from "node:events";
import { PassThrough } from "node:stream";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import type { CliContext } from "../../src/cli/context.ts";
import { run } from "../../src/cli/run.ts";

export const packageRoot = fileURLToPath(new URL("../../", import.meta.url)).replace(/\/$/, "");

export interface CliResult {
  readonly exitCode: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs bin/rowhouse as a user would, without a terminal. */
export async function runCli(
  words: readonly string[],
  options: { readonly cwd: string },
): Promise<CliResult> {
  const child = spawn(`${packageRoot}/bin/rowhouse`, words, {
    cwd: options.cwd,
    stdio: ["ignore", "pipe", "pipe"],
  });
  const exited = new Promise<Pick<CliResult, "exitCode" | "signal">>((resolve, reject) => {
    child.once("error", reject);
    child.once("exit", (exitCode, signal) => resolve({ exitCode, signal }));
  });
  const [stdout, stderr, end] = await Promise.all([text(child.stdout), text(child.stderr), exited]);
  return { ...end, stdout, stderr };
}

export interface InnerCli {
  /** Ends with the exit code. */
  readonly exitCode: Promise<number>;
  stdout(): string;
  stderr(): string;
  /** What the user types. */
  readonly stdin: PassThrough;
  /** As if the process had got the signal. */
  signal(name: "SIGINT" | "SIGTERM"): void;
}

/** Runs the same command line inside the test, where a terminal and the programs can be stood in for. */
export function startCli(
  words: readonly string[],
  options: {
    readonly workingDirectory: string;
    readonly terminal?: boolean;
    readonly programs?: Partial<CliContext["programs"]>;
    readonly parent?: NonNullable<CliContext["parent"]>;
  },
): InnerCli {
  const isTTY = options.terminal === true;
  const stdin = Object.assign(new PassThrough(), { isTTY });
  const stdout = Object.assign(new PassThrough(), { isTTY });
  const stderr = Object.assign(new PassThrough(), { isTTY });
  const texts = { stdout: "", stderr: "" };
  stdout.setEncoding("utf8").on("data", (chunk: string) => {
    texts.stdout += chunk;
  });
  stderr.setEncoding("utf8").on("data", (chunk: string) => {
    texts.stderr += chunk;
  });
  const signals = new EventEmitter();
  const unexpected = () => Promise.reject(new Error("This test starts no program."));
  const exitCode = run(words, {
    version: "0.0.0-test",
    packageRoot,
    commandName: "rowhouse",
    workingDirectory: options.workingDirectory,
    stdin,
    stdout,
    stderr,
    signals,
    ...(options.parent ? { parent: options.parent } : {}),
    programs: {
      startSupervisor: unexpected,
      stopEverything: unexpected,
      findControlPlane: unexpected,
      ...options.programs,
    },
  });
  return {
    exitCode,
    stdout: () => texts.stdout,
    stderr: () => texts.stderr,
    stdin,
    signal: (name) => signals.emit(name, name),
  };
}
