import { AsyncLocalStorage, AsyncResource } from "node:async_hooks";
import pg from "pg";
import { fault } from "../../core/error.ts";
import type { PooledConnection } from "./connection.ts";
import { adviseOnFailure } from "./failures.ts";
import type { LeaseTarget } from "./login.ts";
import { guardSession, isSubmittable, type QueryInput, readQuery } from "./query-arguments.ts";

type Listener = (...values: never[]) => void;

/** A connection that its holder has alone until `release`: what `pg.Pool.connect()` gives. */
export class LeasedClient {
  readonly #connection: PooledConnection;
  readonly #target: LeaseTarget;
  readonly #giveBack: () => void;
  readonly #listeners: { event: string; listener: Listener; bound: Listener }[] = [];
  #released = false;
  #pending = 0;

  constructor(connection: PooledConnection, target: LeaseTarget, giveBack: () => void) {
    this.#connection = connection;
    this.#target = target;
    this.#giveBack = giveBack;
  }

  /**
   * Runs a query: text and values, a config object, or a cursor or stream (which is returned as it is).
   * @throws E_STATEMENT_REFUSED on a shared connection, for what would change its role or search path
   */
  query<Submitted extends pg.Submittable>(submittable: Submitted): Submitted;
  query<Row extends unknown[]>(
    config: QueryInput & { rowMode: "array" },
    values?: readonly unknown[],
  ): Promise<pg.QueryArrayResult<Row>>;
  query<Row extends pg.QueryResultRow = Record<string, unknown>>(
    input: QueryInput,
    values?: readonly unknown[],
  ): Promise<pg.QueryResult<Row>>;
  query(input: QueryInput | pg.Submittable, values?: readonly unknown[]): pg.Submittable | Promise<unknown> {
    if (isSubmittable(input)) return this.#submit(input);
    return this.#run(input, values);
  }

  /**
   * Gives the connection back. An open transaction is rolled back; with `true` or an error the connection is closed.
   * @throws Error when it was released before
   */
  release(destroy?: boolean | Error): void {
    if (this.#released)
      throw new Error("Release called on client which has already been released to the pool.");
    this.#released = true;
    for (const { event, bound } of this.#listeners)
      this.#connection.client.off(event as "error", bound as () => void);
    if (destroy || this.#pending > 0) this.#connection.broken = true;
    if (this.#connection.broken || this.#connection.isClean) {
      this.#giveBack();
      return;
    }
    this.#connection
      .clean()
      .catch(() => {
        this.#connection.broken = true;
      })
      .finally(this.#giveBack);
  }

  /** `I` outside a transaction, `T` inside, `E` inside one that failed. */
  getTransactionStatus(): ReturnType<pg.Client["getTransactionStatus"]> {
    return this.#connection.client.getTransactionStatus();
  }

  /** Listens to `notice`, `notification`, `error` or `end`, in the caller's context, until the release. */
  on(event: string, listener: Listener): this {
    const bound = AsyncResource.bind(listener as (...values: unknown[]) => void) as Listener;
    this.#listeners.push({ event, listener, bound });
    this.#connection.client.on(event as "error", bound as () => void);
    return this;
  }

  off(event: string, listener: Listener): this {
    const index = this.#listeners.findIndex((entry) => entry.event === event && entry.listener === listener);
    const [entry] = index < 0 ? [] : this.#listeners.splice(index, 1);
    if (entry) this.#connection.client.off(event as "error", entry.bound as () => void);
    return this;
  }

  /** The name that `pg` and what is built on it know `off` by. */
  removeListener(event: string, listener: Listener): this {
    return this.off(event, listener);
  }

  escapeIdentifier(text: string): string {
    return pg.escapeIdentifier(text);
  }

  escapeLiteral(text: string): string {
    return pg.escapeLiteral(text);
  }

  async #run(input: QueryInput, values: readonly unknown[] | undefined): Promise<unknown> {
    if (this.#released) throw fault("E_ARGUMENT", "The client was used after its release.");
    const config = readQuery(input, values);
    const effect = this.#target.login.shared ? guardSession(config.text) : undefined;
    this.#pending++;
    return new Promise((resolve, reject) => {
      this.#connection.run(
        config,
        { target: this.#target, effect, pinned: true },
        (error, result, completed) => {
          this.#pending--;
          if (!error) return resolve(result);
          const onWriter = this.#target.login.role === "writer";
          if (adviseOnFailure(error, { completed, onWriter }).discard) this.#connection.broken = true;
          reject(error);
        },
      );
    });
  }

  #submit<Submitted extends pg.Submittable>(submittable: Submitted): Submitted {
    if (this.#released) throw fault("E_ARGUMENT", "The client was used after its release.");
    if (this.#target.login.shared) {
      guardSession(
        (submittable as { text?: unknown }).text ??
          (submittable as { cursor?: { text?: unknown } }).cursor?.text,
      );
    }
    keepContext(submittable);
    return this.#connection.client.query(submittable);
  }
}

const driverCallbacks = [
  "handleRowDescription",
  "handleDataRow",
  "handlePortalSuspended",
  "handleCommandComplete",
  "handleEmptyQuery",
  "handleReadyForQuery",
  "handleError",
  "handleCopyInResponse",
  "handleCopyData",
] as const;

/** A socket's events come in the socket's context; a cursor's or stream's belong in that of whoever made the query. */
function keepContext(submittable: pg.Submittable): void {
  const inContext = AsyncLocalStorage.snapshot();
  const target = submittable as unknown as Record<string, unknown>;
  for (const name of driverCallbacks) {
    const original = target[name];
    if (typeof original !== "function") continue;
    target[name] = (...values: unknown[]) => inContext(() => original.apply(submittable, values) as unknown);
  }
}
