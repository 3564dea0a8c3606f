import type { ChangeStream } from "./change-stream.ts";
import { decodeMessage } from "./pgoutput.ts";
import type { Source } from "./source.ts";
import type { Spool } from "./spool.ts";

const beginLetter = 0x42;
const commitLetter = 0x43;

/** A slot lets log go at certain records alone, which the server by itself writes every 15 s. */
const reminderMilliseconds = 1000;

/**
 * Puts what changes while `work` runs into the spool, so that the server need not keep its log for so long. Ends behind
 * a whole transaction.
 */
export async function setAside<T>(
  parts: { readonly source: Source; readonly stream: ChangeStream; readonly spool: Spool },
  work: () => Promise<T>,
): Promise<T> {
  const { source, stream, spool } = parts;
  let isDone = false;
  const working = work().finally(() => {
    isDone = true;
  });
  working.catch(() => {});
  const reminder = setInterval(() => {
    // Where the administrator may not, it takes the 15 s.
    source.pool.query("SELECT pg_log_standby_snapshot()").catch(() => {});
  }, reminderMilliseconds);
  try {
    const collector = new Collector(stream, spool);
    while (!isDone || !collector.isWhole) {
      if (await collector.collect()) continue;
      await (isDone ? stream.untilReadable() : Promise.race([stream.untilReadable(), working]));
    }
    return await working;
  } finally {
    clearInterval(reminder);
  }
}

class Collector {
  readonly #stream: ChangeStream;
  readonly #spool: Spool;
  isWhole = true;

  constructor(stream: ChangeStream, spool: Spool) {
    this.#stream = stream;
    this.#spool = spool;
  }

  /** False when nothing has come. */
  async collect(): Promise<boolean> {
    const frames = this.#stream.read();
    const messages = frames.flatMap((frame) => (frame.type === "message" ? [frame.bytes] : []));
    await this.#spool.add(messages);
    for (const frame of frames) {
      if (frame.type === "alive") {
        if (this.isWhole) this.#stream.confirm(frame.upTo);
      } else if (frame.bytes[0] === beginLetter) {
        this.isWhole = false;
      } else if (frame.bytes[0] === commitLetter) {
        const message = decodeMessage(frame.bytes);
        if (message.type === "commit") this.#stream.confirm(message.endLsn);
        this.isWhole = true;
      }
    }
    return frames.length > 0;
  }
}
