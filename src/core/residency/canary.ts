/** Every canary begins so, which is what a search looks for: who searches need not know the canaries themselves. */
const marker = "rhcanary";
const alphabet = "abcdefghijklmnopqrstuvwxyz234567";
const randomCharacters = 24;
const canaryPattern = new RegExp(`${marker}[a-z2-7]{${randomCharacters}}`, "g");

/** Random bytes that a canary takes: 5 bits a character. */
export const canaryEntropyBytes = 15;

/** How a canary was written where it was found. */
export type CanaryForm = "text" | "utf-16" | "hex" | "base64";

export interface FoundCanary {
  readonly canary: string;
  readonly form: CanaryForm;
}

/**
 * A word that is nowhere by chance: lower-case letters and digits, so that it is a part of names, addresses, keys and
 * JSON as it stands, and too short to be compressed. @throws when `entropy` is not of 15 bytes
 */
export function formatCanary(entropy: Uint8Array): string {
  if (entropy.length !== canaryEntropyBytes)
    throw new RangeError(`a canary takes ${canaryEntropyBytes} bytes`);
  let bits = 0n;
  for (const byte of entropy) bits = (bits << 8n) | BigInt(byte);
  let text = "";
  for (let index = randomCharacters - 1; index >= 0; index--)
    text += alphabet[Number((bits >> BigInt(index * 5)) & 31n)];
  return marker + text;
}

interface Form {
  readonly form: CanaryForm;
  /** What gives the form away. */
  readonly pattern: Buffer;
  /** Bytes before the pattern that belong to it, and from its start to the end of the longest canary. */
  readonly before: number;
  readonly length: number;
  readonly decode: (bytes: Buffer) => string;
}

const latin = (bytes: Buffer) => bytes.toString("latin1");
const fromHex = (bytes: Buffer) => Buffer.from(latin(bytes), "hex").toString("latin1");
const fromBase64 = (bytes: Buffer) => Buffer.from(latin(bytes), "base64").toString("latin1");
const canaryLength = marker.length + randomCharacters;

/** In base64 a text has three spellings, by where it begins in a group of three bytes: what each has in full. */
const base64Forms: readonly Form[] = [0, 1, 2].map((offset) => ({
  form: "base64",
  pattern: Buffer.from(
    Buffer.from(marker.slice((3 - offset) % 3, ((3 - offset) % 3) + 6)).toString("base64"),
  ),
  before: offset === 0 ? 0 : 4,
  length: 48,
  decode: fromBase64,
}));

const forms: readonly Form[] = [
  { form: "text", pattern: Buffer.from(marker), before: 0, length: canaryLength, decode: latin },
  {
    form: "utf-16",
    pattern: Buffer.from(marker, "utf16le"),
    before: 0,
    length: canaryLength * 2,
    decode: (bytes) => bytes.toString("utf16le"),
  },
  ...["hex", "HEX"].map((spelling): Form => {
    const hex = Buffer.from(marker).toString("hex");
    const pattern = Buffer.from(spelling === "hex" ? hex : hex.toUpperCase());
    return { form: "hex", pattern, before: 0, length: canaryLength * 2, decode: fromHex };
  }),
  ...base64Forms,
];

const longestSpelling = Math.max(...forms.map(({ before, length }) => before + length));

/** Finds canaries in a stream of bytes, also those that lie across two pieces of it. */
export class CanaryScanner {
  #rest = Buffer.alloc(0);

  /** The canaries that are whole by now; one at the pieces' seam may come twice. */
  push(piece: Uint8Array): FoundCanary[] {
    const bytes = Buffer.concat([this.#rest, piece]);
    this.#rest = Buffer.from(bytes.subarray(Math.max(0, bytes.length - longestSpelling)));
    return forms.flatMap((form) => findAll(bytes, form));
  }
}

function findAll(bytes: Buffer, { form, pattern, before, length, decode }: Form): FoundCanary[] {
  const found: FoundCanary[] = [];
  for (let at = bytes.indexOf(pattern); at >= 0; at = bytes.indexOf(pattern, at + 1)) {
    const text = decode(bytes.subarray(Math.max(0, at - before), at + length));
    for (const [canary] of text.matchAll(canaryPattern)) found.push({ canary, form });
  }
  return found;
}
