import { type ChildProcess, spawn } from "node:child_process";
import { mkdir, open } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { UpProgress, UpSummary } from "../../control/up.ts";
import { fault, fromErrorJson } from "../../core/error.ts";
import { StateFolder } from "../../embedded/state-folder.ts";
import type { Invocation } from "../invocation.ts";
import type { UpMessage } from "./message.ts";
import { timedLines } from "./progress.ts";
import { listenForStop } from "./stop-signals.ts";

export interface DetachedOptions {
  readonly configFile: string;
  readonly stateDirectory: string;
  readonly basePort: number;
  readonly host: string;
}

/**
 * Starts `up` in a process of its own, which outlives this one, and waits until it is ready. `undefined` when the
 * user gave up before: then it has stopped again.
 * @throws the fault that its start failed with
 */
export async function startDetached(
  invocation: Invocation,
  options: DetachedOptions,
): Promise<UpSummary | undefined> {
  const { context, output } = invocation;
  const logFile = join(new StateFolder(options.stateDirectory).logs, "supervisor.log");
  const child = await spawnDetached(options, logFile);
  const line = timedLines();
  using stop = listenForStop(context.signals, ({ again }) => {
    const message = again
      ? "still stopping in order; nothing is lost that way"
      : "stopping everything in order";
    if (again) output.progress(line({ at: "stop", message }));
    else child.kill("SIGTERM");
  });
  const outcome = await waitForOutcome(child, (event) => output.progress(line(event)));
  if (outcome?.type === "ready") {
    child.unref();
    return outcome.summary;
  }
  if (outcome?.type === "failed") throw fromErrorJson(outcome.error);
  if (stop.signal.aborted) return undefined;
  throw fault("E_INTERNAL", "The supervisor ended while it started.", {
    remedy: `The reason is in ${logFile}.`,
  });
}

async function spawnDetached(options: DetachedOptions, logFile: string): Promise<ChildProcess> {
  const folder = new StateFolder(options.stateDirectory);
  await folder.create();
  await mkdir(folder.logs, { recursive: true });
  const log = await open(logFile, "a", 0o600);
  try {
    const extension = import.meta.url.endsWith(".ts") ? ".ts" : ".js";
    const main = fileURLToPath(new URL(`../main${extension}`, import.meta.url));
    const { configFile, stateDirectory, basePort, host } = options;
    const words = [
      "--config",
      configFile,
      "--state-dir",
      stateDirectory,
      "--port",
      String(basePort),
      "--host",
      host,
    ];
    const child = spawn(process.execPath, [...process.execArgv, main, "up", "--report-to-parent", ...words], {
      cwd: "/",
      // A session of its own: neither Ctrl-C nor the end of this terminal reaches it.
      detached: true,
      stdio: ["ignore", log.fd, log.fd, "ipc"],
    });
    await new Promise<void>((resolve, reject) => child.once("spawn", resolve).once("error", reject));
    return child;
  } finally {
    await log.close();
  }
}

type Outcome = Exclude<UpMessage, { type: "progress" }>;

/** The message that it is ready or has failed; `undefined` when it ended without one. */
async function waitForOutcome(
  child: ChildProcess,
  onProgress: (event: UpProgress) => void,
): Promise<Outcome | undefined> {
  return new Promise((resolve) => {
    child.on("message", (message: UpMessage) => {
      if (message.type === "progress") onProgress(message.event);
      else resolve(message);
    });
    // Unlike "exit", this comes after the last message was read.
    child.once("disconnect", () => resolve(undefined));
  });
}
