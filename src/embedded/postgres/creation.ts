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
  await removeLeftovers(folder);
  const [administrator, replication] = await Promise.all([
    record.credentials("administrator"),
    record.credentials("replication"),
  ]);
  // Names of their own: a tool of an attempt that was killed may still be writing into its folder.
  const [primary, standby] = [
    join(folder, `building-${randomUUID()}`),
    join(folder, `building-${randomUUID()}`),
  ];
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

async function removeLeftovers(folder: string): Promise<void> {
  const entries = await readdir(folder, { withFileTypes: true });
  await Promise.all(
    entries
      .filter((entry) => entry.isDirectory())
      .map(({ name }) => rm(join(folder, name), { recursive: true, force: true, maxRetries: 10 })),
  );
}
