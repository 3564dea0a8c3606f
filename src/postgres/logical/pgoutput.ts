import type { Lsn } from "./lsn.ts";

/** A column's value as the type's own text; `undefined`: stored out of line, and not changed by this update. */
export type Value = string | null | undefined;

/** A table as the stream describes it before its first change. */
export interface Relation {
  readonly id: number;
  readonly schema: string;
  readonly name: string;
  /** How old rows are told: by a key, or by the whole row. */
  readonly identity: "key" | "full" | "none";
  readonly columns: readonly { readonly name: string; readonly isKey: boolean }[];
}

/** What the plugin `pgoutput` says in protocol version 1. Rows are in the order of their relation's columns. */
export type Message =
  | { readonly type: "begin"; readonly commitLsn: Lsn }
  | { readonly type: "commit"; readonly endLsn: Lsn }
  | { readonly type: "relation"; readonly relation: Relation }
  | { readonly type: "insert"; readonly relation: number; readonly row: readonly Value[] }
  | {
      readonly type: "update";
      readonly relation: number;
      /** Only the key's columns unless the identity is the full row; `undefined` when the key is the same. */
      readonly old: readonly Value[] | undefined;
      readonly row: readonly Value[];
    }
  | { readonly type: "delete"; readonly relation: number; readonly old: readonly Value[] }
  | { readonly type: "truncate"; readonly relations: readonly number[] }
  | { readonly type: "message"; readonly prefix: string; readonly content: string }
  /** Says nothing that a copy needs. */
  | { readonly type: "other" };

/**
 * Decodes one message. Source: PostgreSQL 18, chapter 54.9, "Logical Replication Message Formats".
 * @throws RangeError when it is not one
 */
export function decodeMessage(bytes: Buffer): Message {
  const reader = new Reader(bytes);
  const type = reader.letter();
  const decode = decoders[type];
  if (!decode) throw new RangeError(`Unknown message ${JSON.stringify(type)} in the stream of changes`);
  return decode(reader);
}

const decoders: Readonly<Record<string, (reader: Reader) => Message>> = {
  B: (reader) => ({ type: "begin", commitLsn: reader.int64() }),
  C: (reader) => {
    reader.skip(1 + 8);
    return { type: "commit", endLsn: reader.int64() };
  },
  R: (reader) => ({ type: "relation", relation: decodeRelation(reader) }),
  I: (reader) => {
    const relation = reader.int32();
    reader.skip(1);
    return { type: "insert", relation, row: decodeRow(reader) };
  },
  U: (reader) => {
    const relation = reader.int32();
    const old = reader.letter() === "N" ? undefined : decodeRow(reader);
    if (old) reader.skip(1);
    return { type: "update", relation, old, row: decodeRow(reader) };
  },
  D: (reader) => {
    const relation = reader.int32();
    reader.skip(1);
    return { type: "delete", relation, old: decodeRow(reader) };
  },
  T: (reader) => {
    const count = reader.int32();
    reader.skip(1);
    return { type: "truncate", relations: Array.from({ length: count }, () => reader.int32()) };
  },
  M: (reader) => {
    reader.skip(1 + 8);
    return { type: "message", prefix: reader.text(), content: reader.sized() };
  },
  O: () => ({ type: "other" }),
  Y: () => ({ type: "other" }),
};

const identities: Readonly<Record<string, Relation["identity"]>> = {
  d: "key",
  i: "key",
  f: "full",
  n: "none",
};

function decodeRelation(reader: Reader): Relation {
  const id = reader.int32();
  const schema = reader.text();
  const name = reader.text();
  const identity = identities[reader.letter()] ?? "none";
  const columns = Array.from({ length: reader.int16() }, () => {
    const isKey = (reader.int8() & 1) === 1;
    const column = reader.text();
    reader.skip(4 + 4);
    return { name: column, isKey };
  });
  return { id, schema, name, identity, columns };
}

function decodeRow(reader: Reader): Value[] {
  return Array.from({ length: reader.int16() }, () => {
    const kind = reader.letter();
    if (kind === "n") return null;
    if (kind === "u") return undefined;
    if (kind !== "t") throw new RangeError(`Unknown kind of value ${JSON.stringify(kind)}`);
    return reader.sized();
  });
}

/** Reads on through a message; past its end it throws a RangeError as Buffer does. */
class Reader {
  readonly #bytes: Buffer;
  #at = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  skip(bytes: number): void {
    this.#at += bytes;
  }

  int8(): number {
    return this.#bytes.readUInt8(this.#at++);
  }

  letter(): string {
    return String.fromCharCode(this.int8());
  }

  int16(): number {
    this.#at += 2;
    return this.#bytes.readUInt16BE(this.#at - 2);
  }

  int32(): number {
    this.#at += 4;
    return this.#bytes.readUInt32BE(this.#at - 4);
  }

  int64(): bigint {
    this.#at += 8;
    return this.#bytes.readBigUInt64BE(this.#at - 8);
  }

  /** Up to the next zero byte. */
  text(): string {
    const end = this.#bytes.indexOf(0, this.#at);
    if (end < 0) throw new RangeError("A text in the stream of changes has no end");
    const text = this.#bytes.toString("utf8", this.#at, end);
    this.#at = end + 1;
    return text;
  }

  /** As many bytes as the number before them says. */
  sized(): string {
    const length = this.int32();
    if (this.#at + length > this.#bytes.length)
      throw new RangeError("A message in the stream of changes is cut off");
    this.#at += length;
    return this.#bytes.toString("utf8", this.#at - length, this.#at);
  }
}
