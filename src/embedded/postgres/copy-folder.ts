import { constants } from "node:fs";
import { chown, copyFile, open, readdir } from "node:fs/promises";
import { join } from "node:path";
import { makeFolder } from "./data-folder.ts";

const parallelFiles = 8;
const controlFile = join("global", "pg_control");

/** What to leave out of a copy: by path relative to the data folder. */
export interface LeaveOut {
  readonly file: (path: string) => boolean;
  /** The folder is made, and stays empty. */
  readonly contentOf: (path: string) => boolean;
}

const nothing: LeaveOut = { file: () => false, contentOf: () => false };

/**
 * Copies a data folder. What vanishes meanwhile is left out: of a running server the WAL makes up for it. The
 * control file comes last, so that it is never older than what it describes.
 */
export async function copyDataFolder(options: {
  readonly from: string;
  readonly into: string;
  readonly user: number | undefined;
  readonly leaveOut?: LeaveOut;
  readonly signal?: AbortSignal;
}): Promise<void> {
  const { from, into, user, leaveOut = nothing, signal } = options;
  const { folders, files } = await walk(from, leaveOut);
  for (const folder of ["", ...folders]) await makeFolder(join(into, folder), user);
  const copyOne = async (file: string) => {
    signal?.throwIfAborted();
    await copyFile(join(from, file), join(into, file), constants.COPYFILE_FICLONE);
    if (user !== undefined) await chown(join(into, file), user, user);
  };
  await forEachInParallel(
    files.filter((file) => file !== controlFile),
    (file) => copyOne(file).catch(unlessVanished),
  );
  await copyOne(controlFile);
}

/** Brings a data folder to the disk, so that it outlives a power cut; a server may run on it already. */
export async function syncDataFolder(folder: string): Promise<void> {
  const { folders, files } = await walk(folder, nothing);
  await forEachInParallel([...files, ...folders, ""], async (path) => {
    const file = await open(join(folder, path), "r").catch(unlessVanished);
    await file?.sync().finally(() => file.close());
  });
}

/** Paths of all files and folders; a folder comes before what is in it. */
async function walk(root: string, leaveOut: LeaveOut): Promise<{ folders: string[]; files: string[] }> {
  const folders: string[] = [];
  const files: string[] = [];
  const visit = async (folder: string): Promise<void> => {
    const entries = (await readdir(join(root, folder), { withFileTypes: true }).catch(unlessVanished)) ?? [];
    for (const entry of entries) {
      const path = join(folder, entry.name);
      if (entry.isFile() && !leaveOut.file(path)) files.push(path);
      if (!entry.isDirectory()) continue;
      folders.push(path);
      if (!leaveOut.contentOf(path)) await visit(path);
    }
  };
  await visit("");
  return { folders, files };
}

async function forEachInParallel<T>(items: readonly T[], work: (item: T) => Promise<void>): Promise<void> {
  const queue = items.values();
  const results = await Promise.allSettled(
    Array.from({ length: parallelFiles }, async () => {
      for (const item of queue) await work(item);
    }),
  );
  const failed = results.find((result) => result.status === "rejected");
  if (failed) throw failed.reason;
}

function unlessVanished(error: NodeJS.ErrnoException): undefined {
  if (error.code !== "ENOENT") throw error;
}
