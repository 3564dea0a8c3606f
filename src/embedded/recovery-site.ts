import { join } from "node:path";
import { toRowhouseError } from "../core/error.ts";
import { createSystemClock } from "../node/clock.ts";
import type { Keys } from "../ports/keys.ts";
import type { RecoverySite } from "../ports/platform.ts";
import type { EmbeddedDatabases } from "./databases.ts";
import { createKeys } from "./keys.ts";
import { createObjects } from "./objects.ts";
import { ProcessTable } from "./processes.ts";
import { createReplicas, type EmbeddedReplicas } from "./replicas.ts";
import { regionSettings, type Settings } from "./settings.ts";
import { ensureSigningKey } from "./signing-key.ts";
import type { StateFolder } from "./state-folder.ts";

/**
 * Opens the folder of a region's recovery region, for the controller of the region itself: nobody there need run. What
 * it lacks is made, and its replicas of the region are looked after. `undefined` without a recovery region.
 * @throws E_KEY_FILE
 */
export async function openRecoverySite(options: {
  readonly folder: StateFolder;
  readonly settings: Settings;
  /** The region that is to be recovered. */
  readonly source: string;
  readonly log: (message: string) => void;
}): Promise<(RecoverySite & { close(): Promise<void> }) | undefined> {
  const { folder, settings, source, log } = options;
  const { recovery: region, recoveryStandby } = regionSettings(settings, source).region;
  if (region === undefined) return undefined;
  const place = folder.region(region);
  const keys = await createKeys({ file: join(place, "keys.json") });
  const signingKey = await ensureSigningKey(keys, join(place, "signing-key.json"));
  const clock = createSystemClock();
  const objects = await createObjects({ folder: join(place, "objects"), signingKey, clock });
  const replicas = await openReplicas({ folder, settings, region, keys, log });
  if (recoveryStandby) replicas.watch(source);
  else void deleteAll(replicas, source).catch((error: unknown) => log(toRowhouseError(error).message));
  return {
    region,
    objects,
    keys,
    ...(recoveryStandby ? { replicas } : {}),
    close: async () => {
      await replicas.stopWatching();
      await objects.close();
    },
  };
}

/** The replicas that a region keeps of others. With `databases`, which look after its servers, they can be promoted. */
export function openReplicas(options: {
  readonly folder: StateFolder;
  readonly settings: Settings;
  readonly region: string;
  readonly keys: Keys;
  readonly databases?: EmbeddedDatabases;
  readonly log: (message: string) => void;
}): Promise<EmbeddedReplicas> {
  const { folder, settings, region, ...parts } = options;
  return createReplicas({
    ...parts,
    region,
    folder: join(folder.region(region), "replicas"),
    databasesFolder: join(folder.region(region), "databases"),
    processes: new ProcessTable(folder),
    logs: folder.logs,
    clock: createSystemClock(),
    ports: regionSettings(settings, region).listeners.replicas,
    source: async (name) => ({
      folder: join(folder.region(name), "databases"),
      keys: await createKeys({ file: join(folder.region(name), "keys.json") }),
    }),
  });
}

/** The config asks for none any more. */
async function deleteAll(replicas: EmbeddedReplicas, source: string): Promise<void> {
  for (const replica of await replicas.list()) if (replica.source === source) await replicas.delete(replica);
}
