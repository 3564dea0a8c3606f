import { Readable } from "node:stream";
import type pg from "pg";

/** Message types of Postgres's protocol (https://www.postgresql.org/docs/current/protocol-message-formats.html). */
const copyData = 0x64;
const commandComplete = 0x43;
const errorResponse = 0x45;
const headerBytes = 5;
const bufferBytes = 256 * 1024;

type DataHandler = (chunk: Buffer) => void;

/**
 * A query that is a stream of what `COPY … TO STDOUT` sends, for `client.query`. Postgres sends each row as a message;
 * what is between them is closed up within the bytes as they came from the socket, for an object a row (pg-copy-streams)
 * takes twice the processor time. A connection whose stream was destroyed before its end is of no more use.
 */
export class CopyOut extends Readable implements pg.Submittable {
  readonly #sql: string;
  #connection: pg.Connection | undefined;
  /** pg's own, which gets all that is no row. */
  #handler: DataHandler | undefined;
  readonly #header = Buffer.alloc(headerBytes);
  #headerHeld = 0;
  /** Of the message whose bytes come next. */
  #remaining = 0;
  #isRow = false;
  /** Set between the message that ends it and the end of the bytes that it came in. */
  #ended: DataHandler | undefined;
  /** Known at the end. */
  rowCount = 0;

  constructor(sql: string) {
    super({ highWaterMark: bufferBytes });
    this.#sql = sql;
  }

  submit(connection: pg.Connection): void {
    this.#connection = connection;
    const { stream } = connection;
    this.#handler = stream.listeners("data")[0] as DataHandler;
    stream.off("data", this.#handler);
    stream.on("data", this.#onData);
    connection.query(this.#sql);
  }

  override _read(): void {
    if (this.#handler) this.#connection?.stream.resume();
  }

  readonly #onData = (chunk: Buffer): void => {
    let [from, to] = [0, 0];
    while (from < chunk.length) {
      if (this.#remaining === 0) {
        from = this.#readHeader(chunk, from);
        if (!this.#handler) break;
        continue;
      }
      const end = Math.min(chunk.length, from + this.#remaining);
      if (this.#isRow) {
        chunk.copyWithin(to, from, end);
        to += end - from;
      } else this.#handler?.(Buffer.from(chunk.subarray(from, end)));
      this.#remaining -= end - from;
      from = end;
    }
    if (to > 0 && !this.push(chunk.subarray(0, to)) && this.#handler) this.#connection?.stream.pause();
    if (!this.#handler) this.#giveBack(chunk.subarray(from));
  };

  /** Returns where the header ends, or the chunk. */
  #readHeader(chunk: Buffer, from: number): number {
    let header = chunk;
    let start = from;
    let end = from + headerBytes;
    if (this.#headerHeld > 0 || end > chunk.length) {
      end = Math.min(chunk.length, from + headerBytes - this.#headerHeld);
      this.#headerHeld += chunk.copy(this.#header, this.#headerHeld, from, end);
      if (this.#headerHeld < headerBytes) return end;
      this.#headerHeld = 0;
      [header, start] = [this.#header, 0];
    }
    const type = header[start];
    this.#isRow = type === copyData;
    this.#remaining = header.readUInt32BE(start + 1) - 4;
    if (this.#isRow) return end;
    this.#handler?.(Buffer.from(header.subarray(start, start + headerBytes)));
    if (type === commandComplete || type === errorResponse) this.#ended = this.#handler;
    if (this.#ended) this.#handler = undefined;
    return end;
  }

  /** From here on pg reads the connection itself. */
  #giveBack(rest: Buffer): void {
    const [stream, handler] = [this.#connection?.stream, this.#ended];
    if (!stream || !handler) return;
    this.#ended = undefined;
    stream.off("data", this.#onData);
    stream.on("data", handler);
    if (rest.length > 0) handler(rest);
    stream.resume();
  }

  handleCommandComplete(message: { readonly text: string }): void {
    this.rowCount = Number(/^COPY (\d+)/.exec(message.text)?.[1] ?? 0);
  }

  handleReadyForQuery(): void {
    this.push(null);
  }

  handleError(error: Error): void {
    this.destroy(error);
  }
}
