import type { Duplex, DuplexOptions } from "node:stream";
import type pg from "pg";
import * as copyStreams from "pg-copy-streams";
import { formatLsn, type Lsn } from "./lsn.ts";
import { replyTimeoutSeconds } from "./slot.ts";
import type { Source } from "./source.ts";

/** A message of the plugin as it came, or that the server has nothing more up to here. */
export type Frame =
  | { readonly type: "message"; readonly bytes: Buffer }
  | { readonly type: "alive"; readonly upTo: Lsn };

/** The types of the package know two of its three streams. */
const { both } = copyStreams as unknown as {
  both(
    sql: string,
    options: DuplexOptions & { readonly alignOnCopyDataFrame: boolean },
  ): Duplex & pg.Submittable;
};

/** The server takes a reader for dead that says nothing for long. */
const statusMilliseconds = 1000;
const framesAtOnce = 2000;

/**
 * The changes of a publication from a slot on, by streaming replication. What is not read stays with the server: it
 * sends no more than fits into the buffers. The server may forget what was confirmed.
 */
export class ChangeStream {
  readonly #client: pg.Client;
  readonly #duplex: Duplex;
  readonly #timer: NodeJS.Timeout;
  #confirmed: Lsn;
  #failure: unknown;
  #wake: () => void = () => {};
  #heardAt = performance.now();

  constructor(replication: pg.Client, source: Source, from: Lsn) {
    this.#client = replication;
    this.#confirmed = from;
    const sql = `START_REPLICATION SLOT "${source.name}" LOGICAL ${formatLsn(from)}
      (proto_version '1', publication_names '"${source.name}"', messages 'true')`;
    this.#duplex = replication.query(
      both(sql, {
        alignOnCopyDataFrame: true,
        readableObjectMode: true,
        readableHighWaterMark: framesAtOnce,
      }),
    );
    this.#duplex.on("error", (error) => this.#fail(error));
    this.#duplex.on("end", () => this.#fail(new Error("The stream of changes has ended.")));
    this.#duplex.on("readable", () => this.#wake());
    this.#timer = setInterval(() => this.#look(), statusMilliseconds);
    this.#timer.unref();
  }

  /** What has come, as many frames at once as are there; none when nothing has. @throws what ended the stream */
  read(): readonly Frame[] {
    const frames: Frame[] = [];
    while (frames.length < framesAtOnce) {
      if (this.#failure !== undefined) throw this.#failure;
      const bytes = this.#duplex.read() as Buffer | null;
      if (bytes === null) break;
      this.#heardAt = performance.now();
      const frame = this.#toFrame(bytes);
      if (frame) frames.push(frame);
    }
    return frames;
  }

  /** Resolves when there may be something to read. @throws what ended the stream */
  async untilReadable(): Promise<void> {
    if (this.#duplex.readableLength > 0) return;
    if (this.#failure !== undefined) throw this.#failure;
    await new Promise<void>((resolve) => {
      this.#wake = resolve;
    });
  }

  /** Nothing up to here will be asked for again. Told to the server within a second. */
  confirm(lsn: Lsn): void {
    if (lsn > this.#confirmed) this.#confirmed = lsn;
  }

  async close(): Promise<void> {
    this.#fail(new Error("The stream of changes was closed."));
    clearInterval(this.#timer);
    this.#duplex.destroy();
    await this.#client.end().catch(() => {});
  }

  /** Source: PostgreSQL 18, chapter 54.4, XLogData and "Primary keepalive message". */
  #toFrame(bytes: Buffer): Frame | undefined {
    if (bytes[0] === 0x77 /* w */) return { type: "message", bytes: bytes.subarray(1 + 8 + 8 + 8) };
    if (bytes[0] !== 0x6b /* k */) return undefined;
    if (bytes.readUInt8(1 + 8 + 8) === 1) this.#sendStatus();
    return { type: "alive", upTo: bytes.readBigUInt64BE(1) };
  }

  #fail(error: unknown): void {
    this.#failure ??= error;
    this.#wake();
  }

  #look(): void {
    const now = performance.now();
    if (this.#duplex.readableLength > 0) this.#heardAt = now;
    if (now - this.#heardAt > replyTimeoutSeconds * 1000)
      this.#fail(new Error("The server has fallen silent."));
    this.#sendStatus();
  }

  #sendStatus(): void {
    if (this.#failure !== undefined || !this.#duplex.writable) return;
    const status = Buffer.alloc(1 + 8 * 4 + 1);
    status.write("r");
    for (const offset of [1, 9, 17]) status.writeBigUInt64BE(this.#confirmed, offset);
    this.#duplex.write(status);
  }
}
