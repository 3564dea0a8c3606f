import { existsSync } from "node:fs";
import { readdir, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { createSystemClock } from "../../node/clock.ts";
import { createKeys } from "../keys.ts";
import { createObjects } from "../objects.ts";
import type { ProcessTable } from "../processes.ts";
import { ensureSigningKey } from "../signing-key.ts";
import type { StateFolder } from "../state-folder.ts";
import { removeFenceMark } from "./fence.ts";

const setAside = "databases.set-aside";
const always = { recursive: true, force: true, maxRetries: 10, retryDelay: 50 } as const;

/**
 * Makes a fenced region empty: its databases go, the files of tenants that left it, and what its recovery region still
 * copies of it. Its key and what it keeps for other regions stay: copies of their backups, files and servers. Safe to
 * repeat.
 */
export async function resetRegion(
  { folder, processes }: { readonly folder: StateFolder; readonly processes: ProcessTable },
  region: string,
  slugs: readonly string[],
): Promise<void> {
  const place = folder.region(region);
  // At once, so that a crash can't leave a half of them to be started.
  if (existsSync(join(place, "databases"))) {
    await rm(join(place, setAside), always);
    await rename(join(place, "databases"), join(place, setAside));
  }
  for (const name of [setAside, "rowhouse_region-login.json", "instances", "releases", "balancer"])
    await rm(join(place, name), always);
  for (const { name, labels } of await processes.list("postgres"))
    if (labels.source === region) await processes.terminate(name, { signal: "SIGINT" });
  for (const other of await readdir(join(folder.path, "regions")))
    await rm(join(folder.region(other), "replicas", region), always);
  await purgeFiles(place, slugs);
  await removeFenceMark(folder, region);
}

async function purgeFiles(place: string, slugs: readonly string[]): Promise<void> {
  const keys = await createKeys({ file: join(place, "keys.json") });
  const signingKey = await ensureSigningKey(keys, join(place, "signing-key.json"));
  const objects = await createObjects({
    folder: join(place, "objects"),
    signingKey,
    clock: createSystemClock(),
  });
  try {
    for (const slug of slugs) await objects.purge(`tenants/${slug}/`);
  } finally {
    await objects.close();
  }
}
