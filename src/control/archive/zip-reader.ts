import { Readable } from "node:stream";
import { buffer } from "node:stream/consumers";
import { type Entry, fromRandomAccessReaderPromise, RandomAccessReader, type ZipFile } from "yauzl";
import { maximumEntries } from "../../core/archive/manifest.ts";
import { zipMethods } from "../../core/archive/zip.ts";
import { fault, RowhouseError } from "../../core/error.ts";
import type { ArchiveBytes } from "./source.ts";

/** What is kept of an entry: there may be a million. */
interface KnownEntry {
  readonly offset: number;
  readonly compressedBytes: number;
  readonly bytes: number;
  readonly isDeflated: boolean;
  readonly crc32: number;
}

/** A ZIP's table of contents, read and checked. */
export class ZipReader {
  readonly #zip: ZipFile;
  readonly #entries: ReadonlyMap<string, KnownEntry>;

  constructor(zip: ZipFile, entries: ReadonlyMap<string, KnownEntry>) {
    this.#zip = zip;
    this.#entries = entries;
  }

  names(): IterableIterator<string> {
    return this.#entries.keys();
  }

  find(name: string): Pick<KnownEntry, "bytes" | "crc32"> | undefined {
    return this.#entries.get(name);
  }

  /** The entry's uncompressed bytes, of the length that the table of contents says. @throws E_ARCHIVE_DAMAGED */
  async stream(name: string): Promise<Readable> {
    const entry = this.#entries.get(name);
    if (!entry) throw fault("E_ARCHIVE_DAMAGED", `The archive lacks "${name}".`);
    const { compressedBytes, bytes, isDeflated } = entry;
    try {
      const located = { relativeOffsetOfLocalHeader: entry.offset, compressedSize: compressedBytes } as Entry;
      const { fileDataStart } = await this.#zip.readLocalFileHeaderPromise(located, { minimal: true });
      // yauzl 3.4's promise of the same name calls another function.
      return await new Promise((resolve, reject) => {
        const done = (error: Error | null, stream: Readable) => (error ? reject(error) : resolve(stream));
        const place = [fileDataStart, compressedBytes, 0, compressedBytes] as const;
        this.#zip.openReadStreamLowLevel(...place, isDeflated, bytes, done);
      });
    } catch (cause) {
      throw asDamage(cause, name);
    }
  }

  close(): void {
    this.#zip.close();
  }
}

/** yauzl throws plain errors for what is wrong with a ZIP; what the source of the bytes says stays as it is. */
export function asDamage(cause: unknown, name: string): unknown {
  const isOthers = cause instanceof RowhouseError || (cause as { code?: unknown }).code !== undefined;
  const isZlib = String((cause as { code?: unknown }).code).startsWith("Z_");
  if (isOthers && !isZlib) return cause;
  return fault("E_ARCHIVE_DAMAGED", `The archive's "${name}" can't be read.`, { cause });
}

const shortestZipBytes = 22;
const localHeaderStart = Buffer.from("PK\u0003\u0004");
const sealedStart = Buffer.from("RHSEALED");

/** @throws E_ARCHIVE_FORMAT, E_ARCHIVE_DAMAGED */
export async function openZip(bytes: ArchiveBytes): Promise<ZipReader> {
  const start = await buffer(await bytes.read(0, Math.min(sealedStart.length, bytes.size)));
  if (start.equals(sealedStart))
    throw fault("E_ARCHIVE_FORMAT", "The archive is encrypted.", {
      remedy: "Restore it as a backup of its tenant; only its region's keys open it.",
    });
  const isZip = bytes.size >= shortestZipBytes && start.subarray(0, 4).equals(localHeaderStart);
  if (!isZip) throw fault("E_ARCHIVE_FORMAT");
  let zip: ZipFile | undefined;
  try {
    zip = await fromRandomAccessReaderPromise(new ArchiveReader(bytes), bytes.size, {
      autoClose: false,
      strictFileNames: true,
    });
    return new ZipReader(zip, await readEntries(zip));
  } catch (cause) {
    zip?.close();
    throw asDamage(cause, "table of contents");
  }
}

async function readEntries(zip: ZipFile): Promise<Map<string, KnownEntry>> {
  if (zip.entryCount > maximumEntries) {
    throw fault("E_ARCHIVE_DAMAGED", `The archive claims more than ${maximumEntries} entries.`);
  }
  const entries = new Map<string, KnownEntry>();
  for await (const entry of zip.eachEntry()) {
    // As programs make them that pack a folder again.
    if (entry.fileName.endsWith("/") && entry.uncompressedSize === 0) continue;
    const isDeflated = entry.compressionMethod === zipMethods.deflated;
    const isReadable = isDeflated || entry.compressionMethod === zipMethods.stored;
    if (entry.isEncrypted() || !isReadable) {
      throw fault(
        "E_ARCHIVE_FORMAT",
        `The archive's "${entry.fileName}" is packed in a way that is not read.`,
      );
    }
    if (entries.has(entry.fileName))
      throw fault("E_ARCHIVE_DAMAGED", `The archive has "${entry.fileName}" twice.`);
    entries.set(entry.fileName, {
      offset: entry.relativeOffsetOfLocalHeader,
      compressedBytes: entry.compressedSize,
      bytes: entry.uncompressedSize,
      crc32: entry.crc32,
      isDeflated,
    });
  }
  refuseOverlaps(entries);
  return entries;
}

/** A small file that unpacks to a huge one repeats the same bytes in many entries. */
function refuseOverlaps(entries: ReadonlyMap<string, KnownEntry>): void {
  const ranges = [...entries].toSorted(([, a], [, b]) => a.offset - b.offset);
  let end = 0;
  for (const [name, { offset, compressedBytes }] of ranges) {
    if (offset < end) throw fault("E_ARCHIVE_DAMAGED", `The archive's "${name}" overlaps another entry.`);
    end = offset + compressedBytes;
  }
}

const blockBytes = 256 * 1024;

/** Bytes for yauzl, which asks for a few dozen at a time: such come from the block that was read last. */
class ArchiveReader extends RandomAccessReader {
  readonly #bytes: ArchiveBytes;
  #block: { readonly index: number; readonly data: Buffer } | undefined;

  constructor(bytes: ArchiveBytes) {
    super();
    this.#bytes = bytes;
  }

  override _readStreamForRange(start: number, end: number): Readable {
    return Readable.from(this.#range(start, end), { objectMode: false, highWaterMark: blockBytes });
  }

  /** The bytes are closed by who opened the archive. */
  override close(callback: (error: Error | null) => void): void {
    callback(null);
  }

  async *#range(start: number, end: number): AsyncGenerator<Buffer> {
    if (!(start >= 0 && end <= this.#bytes.size))
      throw fault("E_ARCHIVE_DAMAGED", "The archive's table of contents points past its end.");
    if (end - start > blockBytes) {
      yield* (await this.#bytes.read(start, end)) as AsyncIterable<Buffer>;
      return;
    }
    const [first, last] = [Math.floor(start / blockBytes), Math.floor((end - 1) / blockBytes)];
    for (let index = first; index <= last; index++) {
      const data = await this.#read(index);
      yield data.subarray(Math.max(0, start - index * blockBytes), end - index * blockBytes);
    }
  }

  async #read(index: number): Promise<Buffer> {
    if (this.#block?.index === index) return this.#block.data;
    const begin = index * blockBytes;
    const data = await buffer(await this.#bytes.read(begin, Math.min(begin + blockBytes, this.#bytes.size)));
    this.#block = { index, data };
    return data;
  }
}
