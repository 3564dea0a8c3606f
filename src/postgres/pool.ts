import type pg from "pg";
import { fault, RowhouseError } from "../core/error.ts";
import { type ConnectOptions, connect, isConnectionLoss } from "./connect.ts";

/** What runs SQL: a pool or one connection of it. */
export interface Queryable {
  query<Row extends pg.QueryResultRow = pg.QueryResultRow>(
    sql: string,
    parameters?: readonly unknown[],
  ): Promise<pg.QueryResult<Row>>;
}

interface Waiter {
  resolve(client: pg.Client): void;
  reject(error: unknown): void;
}

/**
 * The control plane's pool: every connection goes to the node that can be written, and one that broke, or whose
 * node was demoted, is replaced. (Tenants' connections are `instance/pools`, which has a budget over all of them.)
 */
export class WriterPool implements Queryable {
  readonly #options: ConnectOptions;
  readonly #max: number;
  readonly #idle: pg.Client[] = [];
  readonly #waiters: Waiter[] = [];
  #open = 0;
  #closed = false;

  constructor(options: ConnectOptions & { readonly max?: number }) {
    this.#options = options;
    this.#max = options.max ?? 10;
  }

  async query<Row extends pg.QueryResultRow = pg.QueryResultRow>(
    sql: string,
    parameters: readonly unknown[] = [],
  ): Promise<pg.QueryResult<Row>> {
    return this.use((client) => client.query<Row>(sql, [...parameters]));
  }

  /**
   * Leases one connection for the length of `work`.
   * @throws E_DATABASE_UNAVAILABLE when no node takes writes, or the connection is lost on the way: then nobody knows
   * whether the statement was carried out; else what `work` throws
   */
  async use<T>(work: (client: pg.Client) => Promise<T>): Promise<T> {
    const client = await this.#lease();
    try {
      const result = await work(client);
      this.#giveBack(client);
      return result;
    } catch (error) {
      if (isConnectionLoss(error)) {
        this.#discard(client);
        throw unavailable(error);
      }
      this.#giveBack(client);
      throw error;
    }
  }

  /** Runs `work` in one transaction: all of it or nothing. */
  async transaction<T>(work: (client: pg.Client) => Promise<T>): Promise<T> {
    return this.use(async (client) => {
      await client.query("BEGIN");
      try {
        const result = await work(client);
        await client.query("COMMIT");
        return result;
      } catch (error) {
        await client.query("ROLLBACK").catch(() => {});
        throw error;
      }
    });
  }

  async end(): Promise<void> {
    this.#closed = true;
    for (const waiter of this.#waiters.splice(0)) waiter.reject(closedError());
    await Promise.allSettled(this.#idle.splice(0).map((client) => client.end()));
  }

  async #lease(): Promise<pg.Client> {
    if (this.#closed) throw closedError();
    const idle = this.#idle.pop();
    if (idle) return idle;
    if (this.#open >= this.#max) {
      return new Promise((resolve, reject) => this.#waiters.push({ resolve, reject }));
    }
    return this.#connect();
  }

  async #connect(): Promise<pg.Client> {
    this.#open++;
    try {
      const client = await connect(this.#options);
      client.once("error", () => this.#discard(client));
      client.once("end", () => this.#discard(client));
      return client;
    } catch (error) {
      this.#open--;
      this.#serveNextWaiter();
      throw error;
    }
  }

  readonly #discarded = new WeakSet<pg.Client>();

  #discard(client: pg.Client): void {
    if (this.#discarded.has(client)) return;
    this.#discarded.add(client);
    this.#open--;
    const index = this.#idle.indexOf(client);
    if (index >= 0) this.#idle.splice(index, 1);
    client.end().catch(() => {});
    this.#serveNextWaiter();
  }

  #giveBack(client: pg.Client): void {
    if (this.#discarded.has(client)) return;
    if (this.#closed) {
      client.end().catch(() => {});
      return;
    }
    const waiter = this.#waiters.shift();
    if (waiter) waiter.resolve(client);
    else this.#idle.push(client);
  }

  #serveNextWaiter(): void {
    const waiter = this.#closed ? undefined : this.#waiters.shift();
    if (waiter) this.#connect().then(waiter.resolve, waiter.reject);
  }
}

function unavailable(cause: unknown): RowhouseError {
  return cause instanceof RowhouseError
    ? cause
    : fault("E_DATABASE_UNAVAILABLE", "The connection to the database was lost.", { cause });
}

function closedError(): Error {
  return fault("E_DATABASE_UNAVAILABLE", "The pool was closed.");
}
