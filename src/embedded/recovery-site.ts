import { join } from "node:path";
import type { Keys } from "../ports/keys.ts";
import { createSystemClock } from "./clock.ts";
import { createKeys } from "./keys.ts";
import { createObjects, type FileObjects } from "./objects.ts";
import { ensureSigningKey } from "./signing-key.ts";
import type { StateFolder } from "./state-folder.ts";

/** What lies in a recovery region's folder, for a controller of the region that it recovers: nobody there need run. */
export interface OpenRecoverySite {
  readonly region: string;
  readonly objects: FileObjects;
  readonly keys: Keys;
  close(): Promise<void>;
}

/** Opens a region's objects and keys from outside, and makes them when that region never ran. @throws E_KEY_FILE */
export async function openRecoverySite(folder: StateFolder, region: string): Promise<OpenRecoverySite> {
  const place = folder.region(region);
  const keys = await createKeys({ file: join(place, "keys.json") });
  const signingKey = await ensureSigningKey(keys, join(place, "signing-key.json"));
  const objects = await createObjects({
    folder: join(place, "objects"),
    signingKey,
    clock: createSystemClock(),
  });
  return { region, objects, keys, close: () => objects.close() };
}
