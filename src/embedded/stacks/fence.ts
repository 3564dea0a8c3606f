import { existsSync } from "node:fs";
import { readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import type { Clock } from "../../ports/clock.ts";
import { killStrays } from "../postgres/strays.ts";
import type { ProcessRecord, ProcessTable } from "../processes.ts";
import { type StateFolder, writeFileAtomically } from "../state-folder.ts";
import { killUnrecorded } from "../sweep.ts";

interface FenceParts {
  readonly folder: StateFolder;
  readonly processes: ProcessTable;
  readonly clock: Clock;
}

/**
 * Kills every process of a region, hung ones too, and leaves a mark: whoever starts it asks the directory first. Copies
 * that it keeps of other regions are left alone. Says whether a database was still alive, and so may have acknowledged
 * something.
 */
export async function fenceRegion(
  { folder, processes, clock }: FenceParts,
  region: string,
  onProgress: (message: string) => void,
): Promise<{ readonly wasAlive: boolean }> {
  await writeFileAtomically(fenceMark(folder, region), "");
  const own = (await processes.list()).filter((record) => belongsTo(record, region));
  // No controller is to start again what was just killed.
  for (const kinds of [["controller"], ["balancer", "instance", "postgres"]]) {
    const victims = own.filter(({ kind, pid }) => kinds.includes(kind) && pid !== process.pid);
    await Promise.all(
      victims.map(async ({ name }) => {
        onProgress(`${name} killed`);
        await processes.terminate(name, { signal: "SIGKILL" });
      }),
    );
  }
  await killUnrecorded(folder, region);
  for (const dataFolder of await dataFolders(join(folder.region(region), "databases")))
    await killStrays(dataFolder, clock);
  return { wasAlive: own.some(({ kind }) => kind === "postgres") };
}

/** Whether the region was fenced on this machine, and not reset since. */
export function isFenced(folder: StateFolder, region: string): boolean {
  return existsSync(fenceMark(folder, region));
}

export function removeFenceMark(folder: StateFolder, region: string): Promise<void> {
  return rm(fenceMark(folder, region), { force: true });
}

function fenceMark(folder: StateFolder, region: string): string {
  return join(folder.region(region), "fenced");
}

function belongsTo({ kind, name, labels }: ProcessRecord, region: string): boolean {
  return kind === "postgres" ? name.startsWith(`${region}.postgres.`) : labels.region === region;
}

/** Of every node of every server that is there, half made ones too. */
export async function dataFolders(databases: string): Promise<string[]> {
  if (!existsSync(databases)) return [];
  const entries = await readdir(databases, { withFileTypes: true });
  const servers = entries.filter((entry) => entry.isDirectory()).map(({ name }) => join(databases, name));
  const nodes = await Promise.all(
    servers.map(async (server) => (await readdir(server)).map((zone) => join(server, zone))),
  );
  return nodes.flat();
}
