import { readdir, readFile } from "node:fs/promises";
import { processIdentity } from "./process-identity.ts";
import {
  type ProcessKind,
  type ProcessRecord,
  type ProcessTable,
  programFile,
  stateFolderVariable,
} from "./processes.ts";
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
  const found = await processesOf(folder);
  return kill(found.filter(({ words }) => region === undefined || isOfRegion(folder, region, words)));
}

/**
 * Kills programs of these kinds that no record names, of one region or all. For whoever alone starts such programs, at
 * the beginning: the one before may have been killed between a start and its record, and what it left holds the ports
 * of its successor. Linux only; returns how many there were.
 */
export async function killStrays(
  folder: StateFolder,
  processes: ProcessTable,
  options: { readonly kinds: readonly Program[]; readonly region?: string },
): Promise<number> {
  const { kinds, region } = options;
  const found = (await processesOf(folder)).filter(
    ({ words }) =>
      kinds.some((kind) => words.includes(`${programFile(kind)}\0`)) &&
      (region === undefined || isOfRegion(folder, region, words)),
  );
  const recorded = new Set((await processes.list()).map(({ pid }) => pid));
  return kill(found.filter(({ pid }) => !recorded.has(pid)));
}

type Program = Exclude<ProcessKind, "postgres">;

interface FoundProcess {
  readonly pid: number;
  /** Its arguments, each with a NUL behind it. */
  readonly words: string;
}

/** Every other process of the state folder, by the mark in its environment. */
async function processesOf(folder: StateFolder): Promise<FoundProcess[]> {
  if (process.platform !== "linux") return [];
  const marker = `${stateFolderVariable}=${folder.path}\0`;
  const pids = (await readdir("/proc")).map(Number).filter((pid) => pid > 1 && pid !== process.pid);
  const found: FoundProcess[] = [];
  for (const pid of pids) {
    const environment = await readFile(`/proc/${pid}/environ`, "utf8").catch(() => "");
    if (!`${environment}\0`.includes(marker) || processIdentity(pid) === undefined) continue;
    found.push({ pid, words: await readFile(`/proc/${pid}/cmdline`, "utf8").catch(() => "") });
  }
  return found;
}

function kill(found: readonly FoundProcess[]): number {
  let ended = 0;
  for (const { pid } of found) {
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
function isOfRegion(folder: StateFolder, region: string, words: string): boolean {
  return words.includes(`--region\0${region}\0`) || words.includes(`${folder.region(region)}/`);
}
