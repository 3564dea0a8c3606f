import { createHash } from "node:crypto";
import { pipeline } from "node:stream/promises";
import type { ArchivedFile } from "../../core/archive/manifest.ts";
import { fileKey } from "../../core/tenant/file-key.ts";
import type { Objects } from "../../ports/objects.ts";
import type { Archive } from "../archive/archive.ts";
import type { FileVersions } from "./file-versions.ts";

/** How many files are written at the same time, while the tenant's requests wait. */
const concurrency = 8;

/** ETags of the tenant's objects that are the archive's already, by key: they need not be written while requests wait. */
export type EqualFiles = Readonly<Record<string, string>>;

/** Compares the archive's files with the tenant's by their bytes. */
export async function compareFiles(archive: Archive, objects: Objects, slug: string): Promise<EqualFiles> {
  const equal: Record<string, string> = {};
  await forEach(archive.files(), async (file) => {
    const key = fileKey(slug, file.key);
    const info = await objects.head(key);
    if (info?.size !== file.bytes || info.contentType !== file.contentType) return;
    const found = await objects.get(key, { versionId: info.versionId });
    if (!found) return;
    const hash = createHash("sha256");
    await pipeline(found.body, hash);
    if (hash.digest("hex") === file.sha256) equal[key] = info.etag;
  });
  return equal;
}

/** Makes the tenant's files those of the archive; `current` is what is there. A repeat does what is left. */
export async function bringFiles(
  archive: Archive,
  target: {
    readonly objects: Objects;
    readonly slug: string;
    readonly current: FileVersions;
    readonly equal: EqualFiles;
  },
): Promise<void> {
  const { objects, slug, current, equal } = target;
  const wanted = new Set<string>();
  await forEach(archive.files(), async (file: ArchivedFile) => {
    const key = fileKey(slug, file.key);
    wanted.add(key);
    if (equal[key] !== undefined && equal[key] === current[key]?.etag) return;
    await objects.put({ key, body: await archive.read(file), contentType: file.contentType });
  });
  await forEach(
    Object.keys(current).filter((key) => !wanted.has(key)),
    (key) => objects.delete(key),
  );
}

/** Makes the tenant's files what they were. `now` is what is there. */
export async function bringFilesBack(
  objects: Objects,
  before: FileVersions,
  now: FileVersions,
): Promise<void> {
  await forEach(Object.entries(before), async ([key, { versionId }]) => {
    if (now[key]?.versionId === versionId) return;
    const old = await objects.get(key, { versionId });
    if (old) await objects.put({ key, body: old.body, contentType: old.info.contentType });
  });
  await forEach(
    Object.keys(now).filter((key) => before[key] === undefined),
    (key) => objects.delete(key),
  );
}

/** Some at a time. After a failure nothing new begins, and all that runs has ended when it is thrown. */
async function forEach<Item>(
  items: AsyncIterable<Item> | Iterable<Item>,
  work: (item: Item) => Promise<unknown>,
): Promise<void> {
  const source = Symbol.asyncIterator in items ? items[Symbol.asyncIterator]() : items[Symbol.iterator]();
  let failed = false;
  const worker = async (): Promise<void> => {
    while (!failed) {
      const next = await source.next();
      if (next.done) return;
      await work(next.value);
    }
  };
  const guarded = () =>
    worker().catch((error: unknown) => {
      failed = true;
      throw error;
    });
  const ends = await Promise.allSettled(Array.from({ length: concurrency }, guarded));
  const failure = ends.find((end) => end.status === "rejected");
  if (!failure) return;
  await source.return?.();
  throw failure.reason;
}
