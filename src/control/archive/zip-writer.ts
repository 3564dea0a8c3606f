import { createHash } from "node:crypto";
import { pipeline, Readable } from "node:stream";
import { crc32, createDeflateRaw } from "node:zlib";
import type { ArchiveEntry } from "../../core/archive/manifest.ts";
import {
  centralRecord,
  dataDescriptor,
  endRecords,
  localHeader,
  type ZipEntry,
  zipMethods,
} from "../../core/archive/zip.ts";

/** Higher levels take twice the time for a few percent. */
const deflateLevel = 1;

/**
 * A ZIP in one pass. (The packages that write one compute its CRC-32 in JavaScript, which takes as long as Postgres takes
 * for the rows; Node's own is ten times faster.)
 */
export class ZipWriter {
  readonly #time: Date;
  readonly #compress: boolean;
  readonly #onBytes: (bytes: number) => void;
  readonly #entries: ZipEntry[] = [];
  #offset = 0;

  constructor(options: {
    readonly time: Date;
    readonly compress: boolean;
    /** Called with the bytes so far. */
    readonly onBytes: (bytes: number) => void;
  }) {
    this.#time = options.time;
    this.#compress = options.compress;
    this.#onBytes = options.onBytes;
  }

  /** Bytes of the ZIP so far. */
  get bytes(): number {
    return this.#offset;
  }

  get entries(): number {
    return this.#entries.length;
  }

  /** The entry's part of the ZIP; returns what a manifest says of it. */
  async *entry(
    name: string,
    data: AsyncIterable<Buffer> | Iterable<Buffer>,
  ): AsyncGenerator<Buffer, ArchiveEntry> {
    const method = this.#compress ? zipMethods.deflated : zipMethods.stored;
    const offset = this.#offset;
    yield this.#count(localHeader(name, method, this.#time));
    const measured = new Measured(data);
    const begin = this.#offset;
    for await (const chunk of this.#compress ? deflated(measured) : measured) yield this.#count(chunk);
    const { bytes, crc } = measured;
    const entry = { name, method, crc32: crc, bytes, compressedBytes: this.#offset - begin, offset };
    yield this.#count(dataDescriptor(entry));
    this.#entries.push(entry);
    return { entry: name, bytes, sha256: measured.sha256 };
  }

  /** The table of contents. */
  *end(): Generator<Buffer> {
    const offset = this.#offset;
    for (const entry of this.#entries) yield this.#count(centralRecord(entry, this.#time));
    yield this.#count(endRecords({ entries: this.#entries.length, bytes: this.#offset - offset, offset }));
  }

  #count(chunk: Buffer): Buffer {
    this.#offset += chunk.length;
    this.#onBytes(this.#offset);
    return chunk;
  }
}

/** Passes bytes on, and knows of them afterwards what a ZIP and a manifest say. */
class Measured implements AsyncIterable<Buffer> {
  readonly #data: AsyncIterable<Buffer> | Iterable<Buffer>;
  readonly #hash = createHash("sha256");
  bytes = 0;
  crc = 0;

  constructor(data: AsyncIterable<Buffer> | Iterable<Buffer>) {
    this.#data = data;
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Buffer> {
    for await (const chunk of this.#data) {
      this.bytes += chunk.length;
      this.crc = crc32(chunk, this.crc);
      this.#hash.update(chunk);
      yield chunk;
    }
  }

  /** Hex; asked for once, at the end. */
  get sha256(): string {
    return this.#hash.digest("hex");
  }
}

/** On the thread pool. */
function deflated(data: AsyncIterable<Buffer>): AsyncIterable<Buffer> {
  const deflate = createDeflateRaw({ level: deflateLevel, chunkSize: 64 * 1024 });
  pipeline(Readable.from(data, { objectMode: false }), deflate, () => {});
  return deflate;
}
