import { once } from "node:events";
import type { RunningSupervisor, UpOptions, UpProgress } from "../../control/up.ts";
import { toRowhouseError } from "../../core/error.ts";
import type { Invocation } from "../invocation.ts";
import type { UpMessage } from "./message.ts";
import { logLine, timedLines } from "./progress.ts";
import { listenForStop } from "./stop-signals.ts";
import { describeNext, describeSummary } from "./summary.ts";

export type ForegroundOptions = Omit<UpOptions, "onProgress" | "signal"> & {
  /** True in the process that `up --detach` started: its stderr is a log file, and someone waits for its messages. */
  readonly reporting: boolean;
};

/** Starts the supervisor in this process and stays until it ended: by a signal, by `rowhouse down`, or by a fault. */
export async function runForeground(invocation: Invocation, options: ForegroundOptions): Promise<void> {
  const { context, output } = invocation;
  const { reporting, ...up } = options;
  const report = (message: UpMessage) => reporting && context.parent?.send(message);
  const line = reporting ? logLine : timedLines();
  const onProgress = (event: UpProgress) => {
    report({ type: "progress", event });
    output.progress(line(event));
  };
  using stop = listenForStop(context.signals, ({ again }) => {
    const message = again
      ? "still stopping in order; nothing is lost that way"
      : "stopping everything in order";
    onProgress({ at: "stop", message });
  });
  try {
    const running = await context.programs.startSupervisor({ ...up, onProgress, signal: stop.signal });
    report({ type: "ready", summary: running.summary });
    if (reporting) context.parent?.disconnect();
    else announce(invocation, options, running);
    await untilStopped(running, stop.signal);
    onProgress({ at: "stop", message: "everything has stopped" });
  } catch (error) {
    // Given up while starting, as the user wished.
    if (stop.signal.aborted && error === stop.signal.reason) {
      output.result({ stopped: true }, () => "Stopped.");
      return;
    }
    report({ type: "failed", error: toRowhouseError(error).toJSON() });
    throw error;
  }
}

function announce(
  { context, output }: Invocation,
  { config }: ForegroundOptions,
  { summary }: RunningSupervisor,
): void {
  output.result(
    summary,
    () =>
      `\n${describeSummary(summary)}\n\n${describeNext(context.commandName, config)}\n\nCtrl-C stops everything.`,
  );
}

async function untilStopped(running: RunningSupervisor, signal: AbortSignal): Promise<void> {
  const listening = new AbortController();
  const requested = signal.aborted ? Promise.resolve() : once(signal, "abort", { signal: listening.signal });
  const stopped = requested.then(() => running.stop()).then(() => running.stopped);
  try {
    await Promise.race([running.stopped, stopped]);
  } finally {
    listening.abort();
    // It may have lost the race; its refusal is then no news.
    stopped.catch(() => {});
  }
}
