import { createCipheriv, createDecipheriv, randomBytes } from "node:crypto";
import { Readable } from "node:stream";
import { buffer } from "node:stream/consumers";
import {
  chunkAssociatedData,
  chunkNonce,
  noncePrefixBytes,
  parseSealedHeader,
  type SealedHeader,
  type SealedLayout,
  sealedChunkBytes,
  sealedHeaderBytes,
  sealedLayout,
  sealedPreludeBytes,
  sealedVersion,
  writeSealedHeader,
} from "../../core/archive/sealed.ts";
import { fault, RowhouseError } from "../../core/error.ts";
import type { EncryptionContext, Keys } from "../../ports/keys.ts";
import type { ArchiveBytes } from "./source.ts";

/** Whose archive it is, and the region's keys that seal its data key. */
export interface EncryptionParts {
  readonly keys: Pick<Keys, "encrypt" | "decrypt">;
  readonly slug: string;
}

export interface EncryptOptions extends EncryptionParts {
  /** What is encrypted and checked as one piece; 1 kB to 16 MB, default 256 kB. */
  readonly chunkBytes?: number;
}

const cipherName = "aes-256-gcm";
const tagBytes = 16;

/** What an archive's sealed data key is bound to. */
function keyContext(slug: string): EncryptionContext {
  return { purpose: "backup", slug };
}

/** The archive's bytes, encrypted while they are read, under a data key of their own. Destroying it ends the source. */
export async function encryptArchive(plain: Readable, parts: EncryptOptions): Promise<Readable> {
  const key = randomBytes(32);
  const dataKey = await parts.keys.encrypt(key.toString("base64"), keyContext(parts.slug));
  const header: SealedHeader = {
    version: sealedVersion,
    cipher: "AES-256-GCM",
    chunkBytes: parts.chunkBytes ?? sealedChunkBytes,
    noncePrefix: randomBytes(noncePrefixBytes).toString("base64"),
    dataKey,
  };
  const sealed = Readable.from(seal(plain, header, key), {
    objectMode: false,
    highWaterMark: sealedChunkBytes,
  });
  // Also when it was never read from.
  return sealed.once("close", () => plain.destroy());
}

async function* seal(plain: Readable, header: SealedHeader, key: Buffer): AsyncGenerator<Buffer> {
  yield writeSealedHeader(header);
  const prefix = Buffer.from(header.noncePrefix, "base64");
  const associated = chunkAssociatedData(header);
  let index = 0;
  const sealChunk = (pieces: readonly Buffer[], isLast: boolean): Buffer => {
    const cipher = createCipheriv(cipherName, key, chunkNonce(prefix, index++, isLast));
    cipher.setAAD(associated);
    const sealed = pieces.map((piece) => cipher.update(piece));
    return Buffer.concat([...sealed, cipher.final(), cipher.getAuthTag()]);
  };
  let pieces: Buffer[] = [];
  let held = 0;
  for await (const piece of plain as AsyncIterable<Buffer>) {
    let rest = piece;
    while (rest.length > 0) {
      // A full chunk waits until there is more: only then is it known not to be the last.
      if (held === header.chunkBytes) {
        yield sealChunk(pieces, false);
        [pieces, held] = [[], 0];
      }
      const part = rest.subarray(0, header.chunkBytes - held);
      pieces.push(part);
      held += part.length;
      rest = rest.subarray(part.length);
    }
  }
  yield sealChunk(pieces, true);
}

/**
 * The bytes inside of an encrypted archive, at any place; what was changed, moved or cut off is noticed where it is read,
 * and a missing end at once. Closing them closes `sealed`, and so does a failure.
 * @throws E_ARCHIVE_FORMAT, E_ARCHIVE_VERSION, E_ARCHIVE_DAMAGED, E_ARCHIVE_KEY
 */
export async function decryptArchive(sealed: ArchiveBytes, parts: EncryptionParts): Promise<ArchiveBytes> {
  try {
    return await openSealed(sealed, parts);
  } catch (error) {
    await sealed.close();
    throw error;
  }
}

async function openSealed(sealed: ArchiveBytes, parts: EncryptionParts): Promise<ArchiveBytes> {
  const { header, bodyOffset } = await readHeader(sealed);
  const layout = sealedLayout(sealed.size - bodyOffset, header.chunkBytes);
  const key = await openDataKey(header, parts);
  const chunks = new SealedChunks({ sealed, header, bodyOffset, layout, key });
  await chunks.read(layout.chunks - 1);
  return {
    size: layout.size,
    read: async (start, end) =>
      Readable.from(chunks.slice(start, end), { objectMode: false, highWaterMark: header.chunkBytes }),
    close: () => sealed.close(),
  };
}

/**
 * The same encrypted archive for whoever has `to`: its data key is sealed anew, and the chunks are passed on as they are.
 * @throws E_ARCHIVE_FORMAT, E_ARCHIVE_VERSION, E_ARCHIVE_DAMAGED, E_ARCHIVE_KEY
 */
export async function rewrapArchive(
  sealed: ArchiveBytes,
  parts: EncryptionParts & { readonly to: Pick<Keys, "encrypt"> },
): Promise<Readable> {
  const { header, bodyOffset } = await readHeader(sealed);
  const key = await openDataKey(header, parts);
  const dataKey = await parts.to.encrypt(key.toString("base64"), keyContext(parts.slug));
  async function* rewrapped(): AsyncGenerator<Buffer> {
    yield writeSealedHeader({ ...header, dataKey });
    yield* (await sealed.read(bodyOffset, sealed.size)) as AsyncIterable<Buffer>;
  }
  return Readable.from(rewrapped(), { objectMode: false, highWaterMark: header.chunkBytes });
}

async function readHeader(sealed: ArchiveBytes): Promise<{ header: SealedHeader; bodyOffset: number }> {
  const prelude = await buffer(await sealed.read(0, Math.min(sealedPreludeBytes, sealed.size)));
  const bodyOffset = sealedPreludeBytes + sealedHeaderBytes(prelude);
  if (bodyOffset >= sealed.size) throw fault("E_ARCHIVE_DAMAGED", "The encrypted archive breaks off.");
  const header = parseSealedHeader(await buffer(await sealed.read(sealedPreludeBytes, bodyOffset)));
  return { header, bodyOffset };
}

async function openDataKey(header: SealedHeader, { keys, slug }: EncryptionParts): Promise<Buffer> {
  try {
    const key = Buffer.from(await keys.decrypt(header.dataKey, keyContext(slug)), "base64");
    if (key.length === 32) return key;
  } catch (cause) {
    if (!(cause instanceof RowhouseError) || cause.code !== "E_DECRYPT") throw cause;
    throw fault("E_ARCHIVE_KEY", undefined, { cause });
  }
  throw fault("E_ARCHIVE_DAMAGED", "The encrypted archive's data key has a wrong length.");
}

interface SealedParts {
  readonly sealed: ArchiveBytes;
  readonly header: SealedHeader;
  readonly bodyOffset: number;
  readonly layout: SealedLayout;
  readonly key: Buffer;
}

/** An encrypted archive's body by chunks. */
class SealedChunks {
  readonly #parts: SealedParts;
  readonly #prefix: Buffer;
  readonly #associated: Buffer;

  constructor(parts: SealedParts) {
    this.#parts = parts;
    this.#prefix = Buffer.from(parts.header.noncePrefix, "base64");
    this.#associated = chunkAssociatedData(parts.header);
  }

  /** The plaintext of one chunk. @throws E_ARCHIVE_DAMAGED */
  async read(index: number): Promise<Buffer> {
    const { start, end } = this.#range(index, index);
    return this.#open(index, await buffer(await this.#parts.sealed.read(start, end)));
  }

  /** The plaintext from `start` to before `end`, read in one go. */
  async *slice(start: number, end: number): AsyncGenerator<Buffer> {
    if (end <= start) return;
    const { chunkBytes } = this.#parts.header;
    const [first, last] = [Math.floor(start / chunkBytes), Math.floor((end - 1) / chunkBytes)];
    const cut = (plain: Buffer, index: number) =>
      plain.subarray(Math.max(0, start - index * chunkBytes), end - index * chunkBytes);
    if (first === last) {
      yield cut(await this.read(first), first);
      return;
    }
    let index = first;
    for await (const chunk of this.#stream(first, last)) {
      yield cut(this.#open(index, chunk), index);
      index++;
    }
  }

  /** Sealed chunks, one at a time. */
  async *#stream(first: number, last: number): AsyncGenerator<Buffer> {
    const { start, end } = this.#range(first, last);
    const wanted = this.#parts.header.chunkBytes + tagBytes;
    let pieces: Buffer[] = [];
    let held = 0;
    for await (const piece of (await this.#parts.sealed.read(start, end)) as AsyncIterable<Buffer>) {
      let rest = piece;
      while (held + rest.length >= wanted) {
        const part = rest.subarray(0, wanted - held);
        yield Buffer.concat([...pieces, part]);
        [pieces, held] = [[], 0];
        rest = rest.subarray(part.length);
      }
      if (rest.length > 0) pieces.push(rest);
      held += rest.length;
    }
    if (held > 0) yield Buffer.concat(pieces);
  }

  #range(first: number, last: number): { start: number; end: number } {
    const { header, bodyOffset, sealed } = this.#parts;
    const step = header.chunkBytes + tagBytes;
    return { start: bodyOffset + first * step, end: Math.min(bodyOffset + (last + 1) * step, sealed.size) };
  }

  #open(index: number, sealed: Buffer): Buffer {
    const { key, layout } = this.#parts;
    const nonce = chunkNonce(this.#prefix, index, index === layout.chunks - 1);
    try {
      const decipher = createDecipheriv(cipherName, key, nonce, { authTagLength: tagBytes });
      decipher.setAAD(this.#associated);
      decipher.setAuthTag(sealed.subarray(sealed.length - tagBytes));
      const plain = decipher.update(sealed.subarray(0, sealed.length - tagBytes));
      decipher.final();
      return plain;
    } catch (cause) {
      throw fault("E_ARCHIVE_DAMAGED", `The encrypted archive was changed or cut off at part ${index + 1}.`, {
        cause,
      });
    }
  }
}
