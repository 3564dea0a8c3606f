import { mkdtemp, open, readdir, rm } from "node:fs/promises";
import { dirname, join, relative, sep } from "node:path";
import { backup, DatabaseSync } from "node:sqlite";
import type { RawPlace, RawStorage } from "../ports/raw-storage.ts";
import type { StateFolder } from "./state-folder.ts";

const longestPieceBytes = 1024 * 1024;

/**
 * Locks, which hold no data. A process that closes any descriptor of a file loses its locks on it, SQLite's too: to read
 * the supervisor's own lock would let a second supervisor in.
 * Source: "How To Corrupt An SQLite Database File", 2.2.
 */
const lockFile = /\.lock(\.sqlite)?(-journal|-wal|-shm)?$/;

/** The same holds for an index of objects in a process that has it open: SQLite itself gives a copy of all its pages. */
const objectIndex = /(^|\/)index\.sqlite$/;
const besideObjectIndex = /(^|\/)index\.sqlite-(journal|wal|shm)$/;

/**
 * Everything of a region in the state folder: its own part, and its processes' logs and records. `isOpenHere`: this
 * process has the region's objects open.
 */
export function createRegionRawStorage(
  folder: StateFolder,
  region: string,
  { isOpenHere }: { readonly isOpenHere: boolean },
): RawStorage {
  const isOfRegion = (name: string) => name.startsWith(`${region}.`);
  return {
    unreadable: [],
    async *places() {
      for await (const place of filesUnder(folder, folder.region(region))) {
        if (!isOpenHere) yield place;
        else if (objectIndex.test(place.name)) yield { ...place, bytes: () => readCopy(folder, place.name) };
        else if (!besideObjectIndex.test(place.name)) yield place;
      }
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
        if (entry.isFile() && !lockFile.test(entry.name)) yield fileAt(folder, path);
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
    else if (entry.isFile() && !lockFile.test(entry.name)) yield fileAt(folder, inner);
  }
}

function fileAt(folder: StateFolder, path: string): RawPlace {
  const name = relative(folder.path, path).split(sep).join("/");
  return { store: storeOf(name), name, bytes: () => readWhole(path) };
}

/** Of an SQLite database that this process may have open; what is committed and still in its log is in the copy. */
async function* readCopy(folder: StateFolder, name: string): AsyncGenerator<Uint8Array, void, void> {
  const path = join(folder.path, name);
  const beside = await mkdtemp(join(dirname(path), "copy-"));
  try {
    const database = new DatabaseSync(path, { readOnly: true });
    try {
      await backup(database, join(beside, "copy"));
    } finally {
      database.close();
    }
    yield* readWhole(join(beside, "copy"));
  } finally {
    await rm(beside, { recursive: true, force: true });
  }
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
