import { createHash } from "node:crypto";
import { Readable } from "node:stream";
import { buffer } from "node:stream/consumers";
import { crc32 } from "node:zlib";
import {
  type ArchivedFile,
  type ArchiveEntry,
  type ArchiveManifest,
  filesFolder,
  manifestEntry,
} from "../../core/archive/manifest.ts";
import { parseArchivedFile, parseArchiveManifest } from "../../core/archive/parse.ts";
import { fault } from "../../core/error.ts";
import type { ArchiveBytes } from "./source.ts";
import { asDamage, openZip, type ZipReader } from "./zip-reader.ts";

/** An archive whose table of contents, manifest and list of files were checked. */
export interface Archive {
  readonly manifest: ArchiveManifest;
  /** The entry's bytes; the stream fails with E_ARCHIVE_DAMAGED at its end when they are not what the manifest says. */
  read(entry: ArchiveEntry): Promise<Readable>;
  /** In the order in which they were written. */
  files(): AsyncIterable<ArchivedFile>;
  /** Reads everything, and compares it with the manifest. @throws E_ARCHIVE_DAMAGED */
  verify(): Promise<void>;
  close(): Promise<void>;
}

/** A manifest of a thousand tables has less than one. */
const maximumManifestBytes = 64 * 1024 * 1024;
const maximumLineBytes = 64 * 1024;

/** Closing the archive closes `bytes`, and so does a failure. @throws E_ARCHIVE_FORMAT, E_ARCHIVE_VERSION, E_ARCHIVE_DAMAGED */
export async function openArchive(bytes: ArchiveBytes): Promise<Archive> {
  try {
    const zip = await openZip(bytes);
    const archive = new OpenArchive(bytes, zip, parseArchiveManifest(await readManifest(zip)));
    await archive.checkContents();
    return archive;
  } catch (error) {
    await bytes.close();
    throw error;
  }
}

/** Nothing says what the manifest must be but the ZIP's own checksum. */
async function readManifest(zip: ZipReader): Promise<string> {
  const found = zip.find(manifestEntry);
  if (!found) throw fault("E_ARCHIVE_FORMAT", "The file is a ZIP without a manifest.json.");
  if (found.bytes > maximumManifestBytes)
    throw fault("E_ARCHIVE_DAMAGED", "The archive's manifest.json is too large to be one.");
  try {
    const bytes = await buffer(await zip.stream(manifestEntry));
    if (crc32(bytes) === found.crc32) return bytes.toString();
  } catch (cause) {
    throw asDamage(cause, manifestEntry);
  }
  throw fault("E_ARCHIVE_DAMAGED", "The archive's manifest.json was changed.");
}

class OpenArchive implements Archive {
  readonly manifest: ArchiveManifest;
  readonly #bytes: ArchiveBytes;
  readonly #zip: ZipReader;

  constructor(bytes: ArchiveBytes, zip: ZipReader, manifest: ArchiveManifest) {
    this.#bytes = bytes;
    this.#zip = zip;
    this.manifest = manifest;
  }

  async read(entry: ArchiveEntry): Promise<Readable> {
    this.#checkSize(entry);
    const stream = await this.#zip.stream(entry.entry);
    return Readable.from(verified(stream, entry), { objectMode: false, highWaterMark: 256 * 1024 }).once(
      "close",
      () => stream.destroy(),
    );
  }

  async *files(): AsyncGenerator<ArchivedFile> {
    for await (const line of lines(await this.read(this.manifest.files.list))) yield parseArchivedFile(line);
  }

  async verify(): Promise<void> {
    const { schema, tables } = this.manifest;
    await this.#readThrough(schema.description);
    for (const { data } of tables) if (data) await this.#readThrough(data);
    for await (const file of this.files()) await this.#readThrough(file);
  }

  async close(): Promise<void> {
    this.#zip.close();
    await this.#bytes.close();
  }

  /** Every entry is in the manifest, and the other way round. @throws E_ARCHIVE_DAMAGED */
  async checkContents(): Promise<void> {
    const { schema, tables, files } = this.manifest;
    const named = [schema.description, files.list, ...tables.flatMap(({ data }) => data ?? [])];
    for (const entry of named) this.#checkSize(entry);
    const expected = new Set([manifestEntry, ...named.map(({ entry }) => entry)]);
    const unknown = [...this.#zip.names()].find(
      (name) => !expected.has(name) && !name.startsWith(filesFolder),
    );
    if (unknown !== undefined)
      throw fault("E_ARCHIVE_DAMAGED", `The archive has "${unknown}", which its manifest does not name.`);
    await this.#checkFiles();
  }

  async #checkFiles(): Promise<void> {
    const { files } = this.manifest;
    const unlisted = new Set([...this.#zip.names()].filter((name) => name.startsWith(filesFolder)));
    let [count, bytes] = [0, 0];
    for await (const file of this.files()) {
      this.#checkSize(file);
      if (!unlisted.delete(file.entry))
        throw fault("E_ARCHIVE_DAMAGED", `The archive's list of files names "${file.key}" twice.`);
      count++;
      bytes += file.bytes;
    }
    if (unlisted.size > 0 || count !== files.count || bytes !== files.bytes)
      throw fault("E_ARCHIVE_DAMAGED", "The archive's files are not those of its list.");
  }

  async #readThrough(entry: ArchiveEntry): Promise<void> {
    for await (const _ of await this.read(entry));
  }

  #checkSize(entry: ArchiveEntry): void {
    const found = this.#zip.find(entry.entry);
    if (!found) throw fault("E_ARCHIVE_DAMAGED", `The archive lacks "${entry.entry}".`);
    if (found.bytes === entry.bytes) return;
    throw fault(
      "E_ARCHIVE_DAMAGED",
      `The archive's "${entry.entry}" has not the length that the manifest says.`,
    );
  }
}

/** Fails before its end when it is not what it should be: whoever puts it to use at its end does not. */
async function* verified(stream: Readable, entry: ArchiveEntry): AsyncGenerator<Buffer> {
  const hash = createHash("sha256");
  try {
    for await (const chunk of stream as AsyncIterable<Buffer>) {
      hash.update(chunk);
      yield chunk;
    }
  } catch (cause) {
    throw asDamage(cause, entry.entry);
  }
  if (hash.digest("hex") === entry.sha256) return;
  throw fault("E_ARCHIVE_DAMAGED", `The archive's "${entry.entry}" was changed.`);
}

async function* lines(stream: Readable): AsyncGenerator<string> {
  let rest: Buffer = Buffer.alloc(0);
  for await (const chunk of stream as AsyncIterable<Buffer>) {
    rest = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
    let start = 0;
    for (let end = rest.indexOf(10, start); end >= 0; end = rest.indexOf(10, start)) {
      yield rest.toString("utf8", start, end);
      start = end + 1;
    }
    rest = rest.subarray(start);
    if (rest.length > maximumLineBytes) break;
  }
  if (rest.length > 0) throw fault("E_ARCHIVE_DAMAGED", "The archive's list of files breaks off.");
}
