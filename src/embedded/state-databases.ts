import { existsSync } from "node:fs";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { createSystemClock } from "../node/clock.ts";
import { createDatabases, type EmbeddedDatabases } from "./databases.ts";
import { createKeys } from "./keys.ts";
import { planListeners } from "./listeners.ts";
import { ProcessTable } from "./processes.ts";
import { regionSettings, type Settings } from "./settings.ts";
import type { StateFolder } from "./state-folder.ts";

/** The database servers of the control plane itself: one, with the directory. */
export async function openGlobalDatabases(
  folder: StateFolder,
  settings: Settings,
  log: (message: string) => void,
): Promise<EmbeddedDatabases> {
  const [first, last] = planListeners(settings.basePort).directory;
  return createDatabases({
    folder: join(folder.global, "databases"),
    namePrefix: "global",
    processes: new ProcessTable(folder),
    logs: folder.logs,
    keys: await createKeys({ file: join(folder.global, "keys.json") }),
    clock: createSystemClock(),
    ports: { shared: { first, last }, dedicated: { first, last } },
    host: "127.0.0.1",
    log,
  });
}

/** The database servers of a region. */
export async function openRegionDatabases(
  folder: StateFolder,
  settings: Settings,
  region: string,
  log: (message: string) => void,
): Promise<EmbeddedDatabases> {
  const { listeners } = regionSettings(settings, region);
  return createDatabases({
    folder: join(folder.region(region), "databases"),
    namePrefix: region,
    processes: new ProcessTable(folder),
    logs: folder.logs,
    keys: await createKeys({ file: join(folder.region(region), "keys.json") }),
    clock: createSystemClock(),
    ports: { shared: listeners.databases, dedicated: listeners.dedicatedDatabases },
    host: "127.0.0.1",
    log,
  });
}

/** Shuts down every database server of the state folder in order, whoever started it. */
export async function stopDatabases(folder: StateFolder, settings: Settings): Promise<void> {
  const silent = () => {};
  const regions = (await readdir(join(folder.path, "regions")).catch(() => [])).filter(
    (name) => name in settings.config.regions && existsSync(join(folder.region(name), "databases")),
  );
  const all = await Promise.all([
    ...(existsSync(join(folder.global, "databases")) ? [openGlobalDatabases(folder, settings, silent)] : []),
    ...regions.map((region) => openRegionDatabases(folder, settings, region, silent)),
  ]);
  await Promise.all(all.map((databases) => databases.stopAll()));
}
