import type pg from "pg";
import type { DnsRecord } from "../../core/dns/record.ts";
import type { Clock } from "../../ports/clock.ts";
import { type ConnectOptions, connect } from "../../postgres/connect.ts";
import { readRecords } from "./records.ts";

const channel = "engine_dns";
const reconnectMilliseconds = 500;
/** A change whose notice was lost is found this late; also how soon a dead connection is noticed. */
const reloadMilliseconds = 10_000;
const queryTimeoutMilliseconds = 5_000;

export interface FollowOptions {
  readonly connection: ConnectOptions;
  readonly clock: Clock;
  readonly onRecords: (records: readonly DnsRecord[]) => void;
  readonly onFault: (error: unknown) => void;
}

/** Gives all records of the zone now and whenever they may have changed, for as long as the process lives. */
export class RecordFollower {
  readonly #options: FollowOptions;
  readonly #stop = new AbortController();
  readonly #firstAttempt = Promise.withResolvers<void>();
  #running: Promise<void> | undefined;

  constructor(options: FollowOptions) {
    this.#options = options;
  }

  /** Resolves when the records were loaded, or could not be just now. */
  start(): Promise<void> {
    this.#running ??= this.#run();
    return this.#firstAttempt.promise;
  }

  async stop(): Promise<void> {
    this.#stop.abort();
    await this.#running;
  }

  async #run(): Promise<void> {
    const { signal } = this.#stop;
    while (!signal.aborted) {
      try {
        await this.#session();
      } catch (error) {
        if (!signal.aborted) this.#options.onFault(error);
      }
      this.#firstAttempt.resolve();
      await this.#options.clock.sleep(reconnectMilliseconds, signal).catch(() => {});
    }
  }

  /** One connection, until it breaks. */
  async #session(): Promise<void> {
    const client = await connect(this.#options.connection);
    let wake = new AbortController();
    let ended = false;
    client.on("notification", () => wake.abort());
    client.once("end", () => {
      ended = true;
      wake.abort();
    });
    try {
      await this.#inTime(client, client.query(`LISTEN ${channel}`));
      while (!ended && !this.#stop.signal.aborted) {
        // A notice that comes during the load ends the pause after it.
        wake = new AbortController();
        this.#options.onRecords(await this.#inTime(client, readRecords(client)));
        this.#firstAttempt.resolve();
        await this.#options.clock
          .sleep(reloadMilliseconds, AbortSignal.any([wake.signal, this.#stop.signal]))
          .catch(() => {});
      }
    } finally {
      await this.#inTime(client, client.end()).catch(() => {});
    }
  }

  /** Cuts a connection on which nothing comes back: the other side may be gone without a word. */
  async #inTime<T>(client: pg.Client, work: Promise<T>): Promise<T> {
    const done = new AbortController();
    const cut = this.#options.clock.sleep(queryTimeoutMilliseconds, done.signal).then(
      () => client.connection.stream.destroy(),
      () => {},
    );
    try {
      return await work;
    } finally {
      done.abort();
      await cut;
    }
  }
}
