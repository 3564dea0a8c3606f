import { rm } from "node:fs/promises";
import { DatabaseSync } from "node:sqlite";
import { fault } from "../core/error.ts";
import { processIdentity } from "./process-identity.ts";
import { isAlive } from "./processes.ts";
import { readJson, type StateFolder, writeFileAtomically } from "./state-folder.ts";

/** Who supervises a state folder, and where it is reached. */
export interface SupervisorLock {
  readonly pid: number;
  /** Tells the process from a later one with the same pid. */
  readonly identity: string;
  readonly url: string;
  readonly apiUrl: string;
  readonly basePort: number;
}

/**
 * Makes this process the folder's one supervisor until it releases the folder or dies.
 * The lock itself is SQLite's exclusive lock on a file: the kernel drops it with the process, so that none is ever
 * left behind. The JSON beside it only tells others who holds it.
 * Source: "File Locking And Concurrency In SQLite Version 3".
 * @throws E_STATE_LOCKED
 */
export async function lockState(
  folder: StateFolder,
  addresses: Pick<SupervisorLock, "url" | "apiUrl" | "basePort">,
): Promise<{ release(): Promise<void> }> {
  const database = new DatabaseSync(`${folder.lock}.sqlite`, { timeout: 0 });
  try {
    database.exec("BEGIN EXCLUSIVE");
  } catch (cause) {
    database.close();
    const holder = await findSupervisor(folder);
    const who = holder ? `process ${holder.pid}` : "another process";
    throw fault("E_STATE_LOCKED", `A supervisor (${who}) already runs on ${folder.path}.`, { cause });
  }
  const identity = processIdentity(process.pid) ?? "";
  await writeFileAtomically(folder.lock, JSON.stringify({ pid: process.pid, identity, ...addresses }));
  return {
    release: async () => {
      await rm(folder.lock, { force: true });
      database.close();
    },
  };
}

/** The supervisor that holds the folder, if it lives. */
export async function findSupervisor(folder: StateFolder): Promise<SupervisorLock | undefined> {
  const lock = await readJson<SupervisorLock>(folder.lock);
  return lock && isAlive(lock) ? lock : undefined;
}
