import { open, readdir } from "node:fs/promises";
import { join, relative, sep } from "node:path";
import type { RawPlace, RawStorage } from "../ports/raw-storage.ts";
import type { StateFolder } from "./state-folder.ts";

const longestPieceBytes = 1024 * 1024;

/** Everything of a region in the state folder: its own part, and its processes' logs and records. */
export function createRegionRawStorage(folder: StateFolder, region: string): RawStorage {
  const isOfRegion = (name: string) => name.startsWith(`${region}.`);
  return {
    unreadable: [],
    async *places() {
      yield* filesUnder(folder, folder.region(region));
      yield* filesUnder(folder, folder.logs, isOfRegion);
      yield* filesUnder(folder, folder.processes, isOfRegion);
    },
  };
}

/** Everything in the state folder that is no region's. */
export function createGlobalRawStorage(folder: StateFolder, regions: readonly string[]): RawStorage {
  const isNoRegions = (name: string) => !regions.some((region) => name.startsWith(`${region}.`));
  return {
    unreadable: [],
    async *places() {
      for (const entry of await readdir(folder.path, { withFileTypes: true })) {
        const path = join(folder.path, entry.name);
        if (entry.isFile()) yield fileAt(folder, path);
      }
      yield* filesUnder(folder, folder.global);
      yield* filesUnder(folder, folder.logs, isNoRegions);
      yield* filesUnder(folder, folder.processes, isNoRegions);
    },
  };
}

/** The files of a folder and of all below it; `isWanted` is asked of the folder's own entries. */
async function* filesUnder(
  folder: StateFolder,
  path: string,
  isWanted: (name: string) => boolean = () => true,
): AsyncGenerator<RawPlace, void, void> {
  // What databases make and remove while they run may be gone by now.
  const entries = await readdir(path, { withFileTypes: true }).catch(unlessGone([]));
  for (const entry of entries) {
    if (!isWanted(entry.name)) continue;
    const inner = join(path, entry.name);
    if (entry.isDirectory()) yield* filesUnder(folder, inner);
    else if (entry.isFile()) yield fileAt(folder, inner);
  }
}

function fileAt(folder: StateFolder, path: string): RawPlace {
  const name = relative(folder.path, path).split(sep).join("/");
  return { store: storeOf(name), name, bytes: () => readWhole(path) };
}

async function* readWhole(path: string): AsyncGenerator<Uint8Array, void, void> {
  // Thousands of small files: a stream for each would cost several times as much.
  const file = await open(path).catch(unlessGone(undefined));
  if (!file) return;
  try {
    const { size } = await file.stat();
    const piece = Buffer.allocUnsafe(Math.min(Math.max(size, 1), longestPieceBytes));
    for (;;) {
      const { bytesRead } = await file.read(piece, 0, piece.length);
      if (bytesRead > 0) yield piece.subarray(0, bytesRead);
      if (bytesRead < piece.length) return;
    }
  } finally {
    await file.close();
  }
}

function unlessGone<T>(instead: T): (error: NodeJS.ErrnoException) => T {
  return (error) => {
    if (error.code === "ENOENT") return instead;
    throw error;
  };
}

function storeOf(name: string): string {
  const [top, , third] = name.split("/");
  if (top === "logs") return "logs";
  if (top === "processes") return "process records";
  const kind = top === "regions" ? third : name.split("/")[1];
  if (kind === "databases") return "database files";
  if (kind === "objects") return "object files";
  return "other files";
}
