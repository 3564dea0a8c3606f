import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { processIdentity } from "../../src/embedded/process-identity.ts";
import { signalIfAlive } from "./signal-if-alive.ts";
import type { System } from "./system.ts";

interface Recorded {
  readonly name: string;
  readonly pid: number;
  readonly identity: string;
  readonly labels: Readonly<Record<string, string>>;
}

/** Every process of a region that lives, by the state folder's records: what it keeps for other regions, too. */
export async function processesOfRegion(system: System, region: string): Promise<Recorded[]> {
  const folder = join(system.stateDirectory, "processes");
  const files = (await readdir(folder)).filter((file) => file.endsWith(".json"));
  const records = await Promise.all(
    files.map(async (file) => {
      const text = await readFile(join(folder, file), "utf8").catch(() => undefined);
      return text === undefined ? [] : [JSON.parse(text) as Recorded];
    }),
  );
  return records
    .flat()
    .filter(({ name, pid, identity }) => name.startsWith(`${region}.`) && processIdentity(pid) === identity);
}

/**
 * `kill -9` of all processes of a region, and of whatever the supervisor starts of it again, until it is told to stop: a
 * region that is lost does not come back by itself.
 */
export async function loseRegion(system: System, region: string): Promise<{ stop(): Promise<void> }> {
  await killRegion(system, region);
  let isStopped = false;
  const killing = (async () => {
    while (!isStopped) {
      await sleep(50);
      await killRegion(system, region);
    }
  })();
  return {
    stop: () => {
      isStopped = true;
      return killing;
    },
  };
}

async function killRegion(system: System, region: string): Promise<void> {
  const records = await processesOfRegion(system, region);
  const controllerFirst = records.toSorted(
    (a, b) => Number(b.name.endsWith(".controller")) - Number(a.name.endsWith(".controller")),
  );
  for (const { pid } of controllerFirst) signalIfAlive(pid, "SIGKILL");
}
