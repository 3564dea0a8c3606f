import { open } from "node:fs/promises";
import { Readable } from "node:stream";
import { fault } from "../../core/error.ts";
import type { Objects } from "../../ports/objects.ts";

/** Bytes that can be read at any place: a file, an object, or what is inside of an encrypted one. */
export interface ArchiveBytes {
  readonly size: number;
  /** From `start` to before `end`; both lie within the size. */
  read(start: number, end: number): Promise<Readable>;
  close(): Promise<void>;
}

const readBytes = 256 * 1024;

/** @throws ENOENT and the like, as the file system says it */
export async function archiveInFile(path: string): Promise<ArchiveBytes> {
  const file = await open(path);
  const { size } = await file.stat();
  return {
    size,
    read: async (start, end) =>
      end > start
        ? file.createReadStream({ start, end: end - 1, autoClose: false, highWaterMark: readBytes })
        : Readable.from([]),
    close: () => file.close(),
  };
}

/** One version of an object, by ranges. @throws E_NOT_FOUND when there is no such object */
export async function archiveInObject(
  objects: Pick<Objects, "get" | "head" | "versions">,
  key: string,
  versionId?: string,
): Promise<ArchiveBytes> {
  const found =
    versionId === undefined
      ? await objects.head(key)
      : (await objects.versions(key)).find((version) => version.versionId === versionId);
  if (!found) throw fault("E_NOT_FOUND", `There is no archive under "${key}".`);
  const { size, versionId: version } = found;
  return {
    size,
    async read(start, end) {
      if (end <= start) return Readable.from([]);
      const part = await objects.get(key, { versionId: version, range: { start, end: end - 1 } });
      if (!part) throw fault("E_NOT_FOUND", `The archive under "${key}" was deleted while it was read.`);
      return part.body;
    },
    close: async () => {},
  };
}
