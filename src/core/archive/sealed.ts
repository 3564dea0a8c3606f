import { fault } from "../error.ts";

/** The layout of an encrypted archive: docs/archive-format.md. */

/** The first bytes of the file. */
const magic = Buffer.from("RHSEALED");
export const sealedVersion = 1;
/** Of the plaintext; all chunks but the last have as many. */
export const sealedChunkBytes = 256 * 1024;
const tagBytes = 16;
export const noncePrefixBytes = 7;
/** Before the JSON: the magic and the JSON's length. */
export const sealedPreludeBytes = magic.length + 4;
const maximumHeaderBytes = 64 * 1024;
const chunkBytesLimits = { minimum: 1024, maximum: 16 * 1024 * 1024 } as const;

/** What stands before the chunks, as JSON. */
export interface SealedHeader {
  readonly version: number;
  readonly cipher: "AES-256-GCM";
  readonly chunkBytes: number;
  /** Base64 of 7 random bytes. */
  readonly noncePrefix: string;
  /** The key of the chunks, base64, as `Keys.encrypt` sealed it. */
  readonly dataKey: string;
}

export function writeSealedHeader(header: SealedHeader): Buffer {
  const json = Buffer.from(JSON.stringify(header));
  const length = Buffer.alloc(4);
  length.writeUInt32BE(json.length);
  return Buffer.concat([magic, length, json]);
}

/** The JSON's length, from the file's first 12 bytes. @throws E_ARCHIVE_FORMAT */
export function sealedHeaderBytes(prelude: Buffer): number {
  const isSealed = prelude.length === sealedPreludeBytes && prelude.subarray(0, magic.length).equals(magic);
  if (!isSealed) throw fault("E_ARCHIVE_FORMAT", "The file is no encrypted archive.");
  const bytes = prelude.readUInt32BE(magic.length);
  if (bytes > maximumHeaderBytes) throw damagedHeader();
  return bytes;
}

/** @throws E_ARCHIVE_VERSION, E_ARCHIVE_DAMAGED */
export function parseSealedHeader(json: Buffer): SealedHeader {
  let header: Partial<Record<keyof SealedHeader, unknown>>;
  try {
    header = JSON.parse(json.toString());
  } catch (cause) {
    throw damagedHeader(cause);
  }
  const { version, cipher, chunkBytes, noncePrefix, dataKey } = header ?? {};
  if (typeof version === "number" && version > sealedVersion) throw fault("E_ARCHIVE_VERSION");
  const { minimum, maximum } = chunkBytesLimits;
  const isWhole =
    version === sealedVersion &&
    cipher === "AES-256-GCM" &&
    Number.isInteger(chunkBytes) &&
    Number(chunkBytes) >= minimum &&
    Number(chunkBytes) <= maximum &&
    typeof noncePrefix === "string" &&
    Buffer.from(noncePrefix, "base64").length === noncePrefixBytes &&
    typeof dataKey === "string";
  if (!isWhole) throw damagedHeader();
  return { version, cipher, chunkBytes: Number(chunkBytes), noncePrefix, dataKey };
}

function damagedHeader(cause?: unknown): Error {
  return fault("E_ARCHIVE_DAMAGED", "The encrypted archive's header is damaged.", { cause });
}

/** Where the chunks are in a body of this length, and how much they hold. */
export interface SealedLayout {
  readonly chunks: number;
  /** Of the plaintext. */
  readonly size: number;
}

/** @throws E_ARCHIVE_DAMAGED when the body breaks off inside of a tag */
export function sealedLayout(bodyBytes: number, chunkBytes: number): SealedLayout {
  const chunks = Math.ceil(bodyBytes / (chunkBytes + tagBytes));
  const size = bodyBytes - chunks * tagBytes;
  const last = size - (chunks - 1) * chunkBytes;
  if (chunks < 1 || last < 0) throw fault("E_ARCHIVE_DAMAGED", "The encrypted archive breaks off.");
  return { chunks, size };
}

/**
 * The STREAM construction (Hoang, Reyhanitabar, Rogaway, Vizár 2015): the chunk's number and whether it is the last are
 * part of its nonce, so that none can be left out, moved, repeated or put at the end.
 */
export function chunkNonce(prefix: Buffer, index: number, isLast: boolean): Buffer {
  const nonce = Buffer.alloc(noncePrefixBytes + 5);
  prefix.copy(nonce);
  nonce.writeUInt32BE(index, noncePrefixBytes);
  nonce.writeUInt8(isLast ? 1 : 0, noncePrefixBytes + 4);
  return nonce;
}

/** What each chunk is bound to beside its nonce: all of the header but the sealed key, which may be sealed anew. */
export function chunkAssociatedData({ version, chunkBytes, noncePrefix }: SealedHeader): Buffer {
  return Buffer.from(`rowhouse-sealed ${version} AES-256-GCM ${chunkBytes} ${noncePrefix}`);
}
