import { randomUUID } from "node:crypto";
import { readdir, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { scramVerifier } from "../../postgres/scram.ts";
import type { PostgresBinaries } from "./binaries.ts";
import { copyDataFolder } from "./copy-folder.ts";
import { initialiseDataFolder } from "./data-folder.ts";
import type { ServerRecord } from "./server-record.ts";
import { standbyZone } from "./server-state.ts";

/**
 * Makes the data folders of a new pair, neither of them synced to disk yet. The standby's is a copy of the primary's
 * before its first start: it was shut down in order, so the copy needs no backup. What an earlier attempt left is
 * removed first.
 * @throws E_DISK_FULL
 */
export async function buildPair(record: ServerRecord, binaries: PostgresBinaries): Promise<void> {
  const { state, folder } = record;
  await removeDataFolders(folder, "all");
  const [administrator, replication] = await Promise.all([
    record.credentials("administrator"),
    record.credentials("replication"),
  ]);
  const [primary, standby] = [unfinishedFolder(folder), unfinishedFolder(folder)];
  await initialiseDataFolder({
    folder: primary,
    binaries,
    verifiers: {
      administrator: scramVerifier(administrator.password),
      replication: scramVerifier(replication.password),
    },
  });
  await copyDataFolder({ from: primary, into: standby, user: binaries.user });
  await rename(primary, record.dataFolder(state.primary));
  await rename(standby, record.dataFolder(standbyZone(state)));
}

/** Removes data folders of a server: all of them, or those that a crash left half made or half removed. */
export async function removeDataFolders(folder: string, which: "all" | "unfinished"): Promise<void> {
  const entries = await readdir(folder, { withFileTypes: true });
  const unwanted = entries.filter(
    (entry) => entry.isDirectory() && (which === "all" || entry.name.startsWith(unfinishedPrefix)),
  );
  await Promise.all(
    unwanted.map(({ name }) => rm(join(folder, name), { recursive: true, force: true, maxRetries: 10 })),
  );
}

const unfinishedPrefix = "unfinished-";

/**
 * A path for a data folder that is not whole yet, or no more. Each is new: a tool whose starter was killed may still
 * be writing into its folder.
 */
export function unfinishedFolder(folder: string): string {
  return join(folder, `${unfinishedPrefix}${randomUUID()}`);
}
