import { readdir, readFile } from "node:fs/promises";
import { processIdentity } from "./process-identity.ts";
import { type ProcessKind, type ProcessRecord, type ProcessTable, stateFolderVariable } from "./processes.ts";
import type { StateFolder } from "./state-folder.ts";

/** Who goes first: nobody is left without what it depends on, and no controller restarts what was just stopped. */
const order: readonly {
  readonly kind: ProcessKind;
  readonly signal: NodeJS.Signals;
  readonly graceMilliseconds: number;
}[] = [
  { kind: "controller", signal: "SIGTERM", graceMilliseconds: 10_000 },
  { kind: "balancer", signal: "SIGTERM", graceMilliseconds: 10_000 },
  { kind: "instance", signal: "SIGTERM", graceMilliseconds: 10_000 },
  // SIGINT is Postgres's fast shutdown: it ends sessions and writes a checkpoint.
  { kind: "postgres", signal: "SIGINT", graceMilliseconds: 30_000 },
];

/** Ends the processes of a state folder in order; returns how many there were. */
export async function sweepProcesses(
  folder: StateFolder,
  processes: ProcessTable,
  options: { readonly keepDatabases?: boolean; onStop?(record: ProcessRecord): void } = {},
): Promise<number> {
  let stopped = 0;
  for (const { kind, signal, graceMilliseconds } of order) {
    if (kind === "postgres" && options.keepDatabases) continue;
    for (const group of shutdownGroups(await processes.list(kind))) {
      await Promise.all(
        group.map(async (record) => {
          options.onStop?.(record);
          await processes.terminate(record.name, { signal, graceMilliseconds });
        }),
      );
      stopped += group.length;
    }
  }
  return stopped + (options.keepDatabases ? 0 : await endUnrecorded(folder));
}

/** Standbys stop after their primaries, so that they have all that those wrote. */
function shutdownGroups(records: readonly ProcessRecord[]): ProcessRecord[][] {
  const isStandby = (record: ProcessRecord) => record.labels.role === "standby";
  return [records.filter((record) => !isStandby(record)), records.filter(isStandby)];
}

/** A crash between a start and its record leaves a process that only its environment gives away. Linux only. */
async function endUnrecorded(folder: StateFolder): Promise<number> {
  if (process.platform !== "linux") return 0;
  const marker = `${stateFolderVariable}=${folder.path}\0`;
  const pids = (await readdir("/proc")).map(Number).filter((pid) => pid > 1 && pid !== process.pid);
  let ended = 0;
  for (const pid of pids) {
    const environment = await readFile(`/proc/${pid}/environ`, "utf8").catch(() => "");
    if (!`${environment}\0`.includes(marker) || processIdentity(pid) === undefined) continue;
    try {
      process.kill(pid, "SIGKILL");
      ended++;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
    }
  }
  return ended;
}
