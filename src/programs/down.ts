import { setTimeout as sleep } from "node:timers/promises";
import type { UpProgress } from "../control/up.ts";
import { isAlive, type ProcessRecord, ProcessTable } from "../embedded/processes.ts";
import { readSettings } from "../embedded/settings.ts";
import { stopDatabases } from "../embedded/state-databases.ts";
import { StateFolder } from "../embedded/state-folder.ts";
import { findSupervisor } from "../embedded/supervisor-lock.ts";
import { killStrays, killUnrecorded, stopProcesses } from "../embedded/sweep.ts";

const supervisorGraceMilliseconds = 90_000;

/**
 * Ends everything of a state folder: through its supervisor when that lives, by the process table when it was
 * killed. Returns how many processes there were.
 */
export async function stopEverything(options: {
  readonly stateDirectory: string;
  onProgress(event: UpProgress): void;
}): Promise<{ stopped: number }> {
  const folder = new StateFolder(options.stateDirectory);
  const processes = new ProcessTable(folder);
  const supervisor = await findSupervisor(folder);
  const before = (await processes.list()).length + (supervisor ? 1 : 0);
  if (supervisor) {
    process.kill(supervisor.pid, "SIGTERM");
    const deadline = performance.now() + supervisorGraceMilliseconds;
    while (isAlive(supervisor) && performance.now() < deadline) await sleep(50);
  }
  if (before > 0) await stopLeftovers(folder, processes, options.onProgress);
  return { stopped: before };
}

/** Ends in order what runs without a supervisor. */
export async function stopLeftovers(
  folder: StateFolder,
  processes: ProcessTable,
  onProgress: (event: UpProgress) => void,
): Promise<void> {
  await stopProcesses(processes, (record: ProcessRecord) => onProgress({ at: "stop", message: record.name }));
  // One without a record would start again what was stopped, and holds databases as their keeper.
  await killStrays(folder, processes, { kinds: ["controller", "balancer", "instance"] });
  if ((await processes.list("postgres")).length > 0) {
    onProgress({ at: "stop", message: "databases" });
    await stopDatabases(folder, await readSettings(folder));
  }
  for (const { name } of await processes.list()) await processes.terminate(name, { signal: "SIGINT" });
  await killUnrecorded(folder);
}
