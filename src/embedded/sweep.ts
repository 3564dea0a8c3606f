import { readdir, readFile } from "node:fs/promises";
import { processIdentity } from "./process-identity.ts";
import { type ProcessKind, type ProcessRecord, type ProcessTable, stateFolderVariable } from "./processes.ts";
import type { StateFolder } from "./state-folder.ts";

/** Who goes first: no controller restarts what was just stopped, and nobody is left without what it depends on. */
const order: readonly ProcessKind[] = ["controller", "balancer", "instance"];

const graceMilliseconds = 10_000;

/** Ends all processes of a state folder, or of one region, but the databases, in order; returns how many there were. */
export async function stopProcesses(
  processes: ProcessTable,
  onStop: (record: ProcessRecord) => void = () => {},
  region?: string,
): Promise<number> {
  let stopped = 0;
  for (const kind of order) {
    const records = (await processes.list(kind)).filter(
      ({ labels }) => region === undefined || labels.region === region,
    );
    await Promise.all(
      records.map(async (record) => {
        onStop(record);
        await processes.terminate(record.name, { graceMilliseconds });
      }),
    );
    stopped += records.length;
  }
  return stopped;
}

/**
 * Kills what no record names: a crash between a start and its record leaves a process that only its environment
 * gives away. With `region` those that its arguments give to that region. Linux only; returns how many there were.
 */
export async function killUnrecorded(folder: StateFolder, region?: string): Promise<number> {
  if (process.platform !== "linux") return 0;
  const marker = `${stateFolderVariable}=${folder.path}\0`;
  const pids = (await readdir("/proc")).map(Number).filter((pid) => pid > 1 && pid !== process.pid);
  let ended = 0;
  for (const pid of pids) {
    const environment = await readFile(`/proc/${pid}/environ`, "utf8").catch(() => "");
    if (!`${environment}\0`.includes(marker) || processIdentity(pid) === undefined) continue;
    if (region !== undefined && !(await isOfRegion(folder, region, pid))) continue;
    try {
      process.kill(pid, "SIGKILL");
      ended++;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
    }
  }
  return ended;
}

/** Programs of Rowhouse name their region, and Postgres's tools a folder of it. */
async function isOfRegion(folder: StateFolder, region: string, pid: number): Promise<boolean> {
  const words = await readFile(`/proc/${pid}/cmdline`, "utf8").catch(() => "");
  return words.includes(`--region\0${region}\0`) || words.includes(`${folder.region(region)}/`);
}
