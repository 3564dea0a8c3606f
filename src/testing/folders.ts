import { createHash, randomUUID } from "node:crypto";
import { lstat, mkdir, readdir, rm, statfs } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fault } from "../core/error.ts";
import { killStrays } from "../embedded/postgres/strays.ts";
import { processIdentity } from "../embedded/process-identity.ts";
import { createSystemClock } from "../node/clock.ts";

/** Memory as a folder, where Linux has it: files are made in a tenth of the time. */
const memoryFolder = "/dev/shm";
/** Source: TMPFS_MAGIC in statfs(2). */
const memoryFileSystem = 0x01021994;
/** A run starts with 35 MB, and grows with what its tests write. A container has 64 MB unless told otherwise. */
const memoryNeededBytes = 512 * 1024 * 1024;

/** This user's folder in the system's temporary folder: for what later test processes find again. */
export function cacheFolder(): string {
  return join(tmpdir(), userFolder);
}

/** This user's folders that runs may be in. */
export function runsFolders(): readonly string[] {
  return [join(memoryFolder, userFolder), cacheFolder()];
}

/** The one for a run that begins now: in memory when there is enough of it. */
export async function chooseRunsFolder(): Promise<string> {
  const found = await statfs(memoryFolder).catch(() => undefined);
  const isMemory = found?.type === memoryFileSystem && found.bavail * found.bsize > memoryNeededBytes;
  return isMemory ? join(memoryFolder, userFolder) : cacheFolder();
}

const userFolder = `rowhouse-testing-${process.getuid?.() ?? "user"}`;

/**
 * Makes sure of the user's folder. Its name is known to everyone, so another user may have made it first.
 * @throws E_INTERNAL when it is not this user's alone
 */
export async function ensureUserFolder(root: string): Promise<void> {
  await mkdir(root, { mode: 0o700 }).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== "EEXIST") throw error;
  });
  const found = await lstat(root);
  const isOwn = process.getuid === undefined || found.uid === process.getuid();
  if (found.isDirectory() && isOwn && (found.mode & 0o077) === 0) return;
  throw fault("E_INTERNAL", `The folder ${root} is not this user's alone.`, {
    remedy: `Remove ${root}.`,
  });
}

/** Where the data folder of a Postgres is, in a folder of {@link createOwnedFolder}. */
export function dataFolderOf(folder: string): string {
  return join(folder, "data");
}

/** Makes a folder that is this process's: its name says whose, so that others know when nobody needs it any more. */
export async function createOwnedFolder(root: string): Promise<string> {
  const folder = join(root, `run-${process.pid}-${identityHash(process.pid)}-${randomUUID().slice(0, 8)}`);
  await mkdir(folder, { mode: 0o700 });
  return folder;
}

/** Removes the folders of processes that are gone, with every Postgres that still runs on one. */
export async function sweepOwnedFolders(root: string): Promise<void> {
  const clock = createSystemClock();
  const names = await readdir(root).catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return [];
    throw error;
  });
  await Promise.all(
    names.map(async (name) => {
      const [, pid, hash] = /^run-(\d+)-([0-9a-f]+)-/.exec(name) ?? [];
      if (pid === undefined || identityHash(Number(pid)) === hash) return;
      await killStrays(dataFolderOf(join(root, name)), clock);
      await removeFolder(join(root, name));
    }),
  );
}

/** Also where another process removes it at the same time, or Postgres writes its last words. */
async function removeFolder(folder: string): Promise<void> {
  await rm(folder, { recursive: true, force: true, maxRetries: 10, retryDelay: 20 });
}

/** Tells a process from a later one with its pid; `undefined` when there is none. */
function identityHash(pid: number): string | undefined {
  const identity = processIdentity(pid);
  return identity && createHash("sha256").update(identity).digest("hex").slice(0, 8);
}
