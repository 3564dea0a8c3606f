import { DatabaseSync } from "node:sqlite";
import { setTimeout as sleep } from "node:timers/promises";
import { fault } from "../core/error.ts";

const retryMilliseconds = 5;

/** What SQLite answers when another connection holds the lock (SQLITE_BUSY, sqlite.org/rescode.html). */
const busy = 5;

/**
 * Runs `work` while no other process, and no other caller in this one, holds the lock of that name. The lock is the
 * operating system's (Node has no `flock`; SQLite's exclusive transaction is one): it ends with its process, so a
 * crash leaves nothing to clean up. The empty file stays.
 * @throws E_INTERNAL when the lock is not free within `timeoutMilliseconds` (default 10,000)
 */
export async function withFileLock<T>(
  path: string,
  work: () => Promise<T>,
  timeoutMilliseconds = 10_000,
): Promise<T> {
  const lock = new DatabaseSync(path, { timeout: 0 });
  try {
    const deadline = performance.now() + timeoutMilliseconds;
    while (!tryLock(lock)) {
      if (performance.now() > deadline) {
        throw fault(
          "E_INTERNAL",
          `Another process held the lock ${path} for more than ${timeoutMilliseconds} ms.`,
        );
      }
      await sleep(retryMilliseconds);
    }
    return await work();
  } finally {
    lock.close();
  }
}

function tryLock(lock: DatabaseSync): boolean {
  try {
    lock.exec("BEGIN EXCLUSIVE");
    return true;
  } catch (error) {
    if (isBusy(error)) return false;
    throw error;
  }
}

/** True when SQLite refused because another connection is at work; trying again later may do. */
export function isBusy(error: unknown): boolean {
  const code = (error as { errcode?: unknown } | null)?.errcode;
  // The low byte is the code, the rest says more precisely why.
  return typeof code === "number" && (code & 0xff) === busy;
}
