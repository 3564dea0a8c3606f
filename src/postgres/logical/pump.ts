import { randomUUID } from "node:crypto";
import type pg from "pg";
import { Applier } from "./applier.ts";
import { ChangeStream, type Frame } from "./change-stream.ts";
import { type CopiedRows, compareRows, copyRows, emptyTarget, readAt, readerCount } from "./initial-copy.ts";
import { setAside } from "./set-aside.ts";
import { connectForReplication, createSlot, endReader, slotFault } from "./slot.ts";
import type { Source } from "./source.ts";
import { Spool } from "./spool.ts";
import { connectToTarget, readProgress, type Target } from "./target.ts";

interface Waiter {
  resolve(): void;
  reject(error: unknown): void;
}

interface PumpParts {
  readonly source: Source;
  readonly target: Target;
}

const commitLetter = 0x43;

/** Keeps a schema's copy, on any server that can be reached, the same as the original while that is written. */
export class Pump {
  readonly #source: Source;
  readonly #client: pg.Client;
  readonly #stream: ChangeStream;
  readonly #applier: Applier;
  readonly #waiters = new Map<string, Waiter>();
  #failure: unknown;

  private constructor(parts: {
    readonly source: Source;
    readonly client: pg.Client;
    readonly stream: ChangeStream;
    readonly applier: Applier;
  }) {
    this.#source = parts.source;
    this.#client = parts.client;
    this.#stream = parts.stream;
    this.#applier = parts.applier;
  }

  /**
   * Copies all rows at one moment, compares them, brings in what changed meanwhile, and goes on with that. The
   * publication must be there; what the target held is thrown away. @throws E_MOVE_FAILED when the copy differs
   */
  static async copy(
    parts: PumpParts & { readonly onProgress?: (bytes: number) => void },
  ): Promise<{ readonly pump: Pump; readonly copied: CopiedRows }> {
    const { source, target, onProgress = () => {} } = parts;
    const replication = await connectForReplication(source);
    const opened: { end(): Promise<void> }[] = [replication];
    try {
      await emptyTarget(target);
      const point = await createSlot(replication, source);
      const readers: pg.Client[] = [];
      for (let count = 0; count < readerCount; count++) {
        const reader = await readAt(source, point.snapshot);
        readers.push(reader);
        opened.push(reader);
      }
      const client = await connectToTarget(target);
      opened.push(client);
      const stream = new ChangeStream(replication, source, point.lsn);
      const spool = await Spool.open();
      try {
        const copied = await setAside({ source, stream, spool }, async () => {
          const rows = await copyRows({ readers, source, target, onProgress });
          const [reader] = readers;
          if (reader) await compareRows({ reader, source, writer: client, target });
          await Promise.all(readers.map((each) => each.end()));
          return rows;
        });
        const applier = new Applier(client, target, point.lsn);
        // In one transaction: the server has been told to forget what lies in the spool.
        for await (const message of spool.messages()) await applier.take(message);
        await applier.commit();
        const pump = new Pump({ source, client, stream, applier });
        void pump.#run();
        return { pump, copied };
      } finally {
        await spool.close();
      }
    } catch (error) {
      await Promise.allSettled(opened.map((each) => each.end()));
      throw error;
    }
  }

  /** Goes on where one that has ended left off; `undefined` when there is no whole copy. */
  static async resume({ source, target }: PumpParts): Promise<Pump | undefined> {
    const client = await connectToTarget(target);
    let replication: pg.Client | undefined;
    try {
      const from = await readProgress(client, target.id);
      if (from === undefined) {
        await client.end();
        return undefined;
      }
      await endReader(source.pool, source.name);
      replication = await connectForReplication(source);
      const stream = new ChangeStream(replication, source, from);
      const applier = new Applier(client, target, from);
      const pump = new Pump({ source, client, stream, applier });
      void pump.#run();
      return pump;
    } catch (error) {
      await Promise.allSettled([client.end(), replication?.end()]);
      throw error;
    }
  }

  /** Rows that were changed in the copy after it was made. */
  get changes(): number {
    return this.#applier.changes;
  }

  /** True when it stands still and another one has to go on. */
  get hasFailed(): boolean {
    return this.#failure !== undefined;
  }

  /** Resolves when all that was committed at the source before the call is committed in the copy. */
  async catchUp(): Promise<void> {
    if (this.#failure !== undefined) throw slotFault(this.#failure);
    const mark = randomUUID();
    const reached = new Promise<void>((resolve, reject) => this.#waiters.set(mark, { resolve, reject }));
    // Whoever asks learns of a failure by the promise; until then nobody may.
    reached.catch(() => {});
    await this.#source.pool.query("SELECT pg_logical_emit_message(true, $1, $2)", [this.#source.name, mark]);
    return reached;
  }

  async stop(): Promise<void> {
    this.#fail(new Error("The copying was stopped."));
    await this.#stream.close();
    await this.#client.end().catch(() => {});
  }

  async #run(): Promise<void> {
    try {
      for (;;) {
        const frames = this.#stream.read();
        if (frames.length > 0) await this.#apply(frames);
        else await this.#stream.untilReadable();
      }
    } catch (error) {
      this.#fail(error);
      await this.stop();
    }
  }

  async #apply(frames: readonly Frame[]): Promise<void> {
    const end = frames.findLastIndex(isCommit);
    for (const [index, frame] of frames.entries()) {
      if (frame.type === "message") await this.#applier.take(frame.bytes);
      if (index === end) await this.#commit();
    }
    const last = frames.findLast((frame) => frame.type === "alive");
    // The server has nothing before that which it has not sent.
    if (last?.type === "alive" && this.#applier.isWhole) this.#stream.confirm(last.upTo);
  }

  async #commit(): Promise<void> {
    const marks = await this.#applier.commit();
    this.#stream.confirm(this.#applier.committed);
    for (const mark of marks) {
      this.#waiters.get(mark)?.resolve();
      this.#waiters.delete(mark);
    }
  }

  #fail(error: unknown): void {
    this.#failure ??= error;
    for (const waiter of this.#waiters.values()) waiter.reject(slotFault(this.#failure));
    this.#waiters.clear();
  }
}

/** Of a commit, which ends a transaction. */
function isCommit(frame: Frame): boolean {
  return frame.type === "message" && frame.bytes[0] === commitLetter;
}
