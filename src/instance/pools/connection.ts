import type pg from "pg";
import type { SessionEffect } from "../../core/sql/session-guard.ts";
import type { DatabaseEndpoint } from "../../ports/databases.ts";
import { connect } from "../../postgres/connect.ts";
import { isStalePlan, noteLoss } from "./failures.ts";
import type { LeaseTarget, Login, TenantSession } from "./login.ts";
import { type PreparedStatement, PreparedStatements, type RepeatedStatements } from "./statements.ts";
import {
  type QueryConfig,
  type QueryPreamble,
  sessionStatement,
  sessionValues,
  TenantQuery,
} from "./tenant-query.ts";

/** A reader that had to make do with the writer is given up after so long, for the standby may be back. */
const fallbackLifetimeMilliseconds = 10_000;

const closeTimeoutMilliseconds = 1_000;

/** The session of a shared connection before its first tenant: the bare login, which owns and sees nothing. */
const nobody: TenantSession = { role: "none", schema: "pg_catalog" };

/** How one query is to run. */
export interface QueryRun {
  readonly target: LeaseTarget;
  /** What the SQL does to a shared session; absent where the login is the tenant's own. */
  readonly effect: SessionEffect | undefined;
  /** True when the connection has the target's session for as long as the lease lasts. */
  readonly pinned: boolean;
}

/** `completed`: Postgres said that a statement of the query was carried out. */
export type RunCallback = (error: Error | null | undefined, result: unknown, completed: boolean) => void;

/** One connection to Postgres, with what is prepared on it and whose session it has. */
export class PooledConnection {
  readonly login: Login;
  readonly client: pg.Client;
  /** Role of the session that a shared connection has taken on; `undefined` when that is nobody's, or not known. */
  sessionRole: string | undefined;
  /** Not to be used again. */
  broken = false;
  /** Something may have been left behind that another tenant must not meet. */
  dirty = false;
  /** On the pool's monotonic clock; `Infinity` for one that may stay. */
  readonly expiresAtMilliseconds: number;
  readonly openedAtMilliseconds: number;
  idleSinceMilliseconds = 0;
  readonly #prepared = new PreparedStatements();
  /** Prepared statements that are to be closed with the next query. */
  readonly #superseded: string[] = [];
  readonly #repeated: RepeatedStatements;

  constructor(
    client: pg.Client,
    options: {
      readonly login: Login;
      readonly repeated: RepeatedStatements;
      readonly openedAtMilliseconds: number;
      readonly expiresAtMilliseconds: number;
    },
  ) {
    this.openedAtMilliseconds = options.openedAtMilliseconds;
    this.client = client;
    this.login = options.login;
    this.#repeated = options.repeated;
    this.expiresAtMilliseconds = options.expiresAtMilliseconds;
  }

  /**
   * Logs in at the node that has the login's role.
   * @throws E_DATABASE_UNAVAILABLE; a refused login or unknown database as Postgres says it
   */
  static async open(options: {
    readonly login: Login;
    readonly endpoint: DatabaseEndpoint;
    readonly applicationName: string;
    readonly repeated: RepeatedStatements;
    readonly nowMilliseconds: number;
  }): Promise<PooledConnection> {
    const { login, endpoint, applicationName, repeated, nowMilliseconds } = options;
    const { database, credentials, role } = login;
    const client = await connect({ endpoint, database, credentials, role, applicationName });
    const mayFallBack = role === "reader" && endpoint.nodes.length > 1;
    const expiresAtMilliseconds = mayFallBack
      ? nowMilliseconds + fallbackLifetimeMilliseconds
      : Number.POSITIVE_INFINITY;
    const connection = new PooledConnection(client, {
      login,
      repeated,
      openedAtMilliseconds: nowMilliseconds,
      expiresAtMilliseconds,
    });
    try {
      if (login.shared) await connection.#becomeNobody();
      return connection;
    } catch (error) {
      await connection.close();
      throw error;
    }
  }

  /**
   * Runs one query. Unless the session is pinned (by {@link become}, for a lease that spans several queries), it is
   * taken on in the same message where that is needed.
   */
  run(config: QueryConfig, run: QueryRun, callback: RunCallback): void {
    const { target, effect, pinned } = run;
    if (effect?.leavesState) this.dirty = true;
    const prepared = this.#prepare(config, target);
    const name = prepared?.name ?? config.name;
    const preamble: QueryPreamble = {
      // Several statements in one text go out as they are, and carry nothing along.
      close: name === undefined && !config.values?.length ? [] : this.#superseded.splice(0),
      session: pinned || target.session?.role === this.sessionRole ? undefined : target.session,
    };
    if (prepared?.close !== undefined) preamble.close.push(prepared.close);
    let settled = false;
    const query = new TenantQuery({ ...config, name }, preamble, (error, result) => {
      // A value that can't be sent is reported at once, and again when the server is ready.
      if (settled) return;
      settled = true;
      if (error) this.#onFailure(error, { name, text: config.text, target, pinned });
      else if (!pinned) this.sessionRole = target.session?.role;
      callback(error, result, query.completed);
    });
    this.client.query(query);
  }

  /** Takes on the target's session in a round trip of its own, so that no later failure can take it back. */
  async become(target: LeaseTarget): Promise<void> {
    if (!target.session || target.session.role === this.sessionRole) return;
    this.sessionRole = undefined;
    await this.client
      .query({ ...sessionStatement, values: sessionValues(target.session) })
      .catch((error: unknown) => {
        noteLoss(error);
        throw error;
      });
    this.sessionRole = target.session.role;
  }

  /** True when a lease may end just so: no transaction is open and nothing was left behind. */
  get isClean(): boolean {
    return this.client.getTransactionStatus() === "I" && !(this.dirty && this.login.shared);
  }

  /** Ends what the last user left open. @throws whatever breaks the connection; it is then of no more use */
  async clean(): Promise<void> {
    if (this.client.getTransactionStatus() !== "I") {
      await this.client.query("ROLLBACK");
      this.sessionRole = undefined;
    }
    if (this.dirty && this.login.shared) {
      await this.client.query("DISCARD ALL");
      this.#forgetNames();
      await this.#becomeNobody();
    }
    this.dirty = false;
  }

  /** Calls `listener` when the connection breaks or is closed from the other side. */
  onLoss(listener: () => void): void {
    this.client.once("error", listener);
    this.client.once("end", listener);
  }

  /** Resolves when the server has let go of the connection, or did not say so in time. */
  async close(): Promise<void> {
    this.broken = true;
    const { stream } = this.client.connection;
    const giveUp = setTimeout(() => stream.destroy(), closeTimeoutMilliseconds);
    await this.client.end().catch(() => {});
    clearTimeout(giveUp);
  }

  #prepare(config: QueryConfig, target: LeaseTarget): PreparedStatement | undefined {
    const scope = target.session?.role ?? "";
    // Under a shared login the caller's names would be every tenant's.
    const named = config.name !== undefined;
    if (named) return target.session && config.text ? this.#prepared.use(scope, config.text) : undefined;
    if (!config.values || config.values.length === 0 || !this.#repeated.isRepeat(config.text))
      return undefined;
    return this.#prepared.use(scope, config.text);
  }

  #onFailure(
    error: Error,
    query: { name: string | undefined; text: string; target: LeaseTarget; pinned: boolean },
  ): void {
    noteLoss(error);
    // A session that was taken on together with the statement went back with it.
    if (!query.pinned) this.sessionRole = undefined;
    if (query.name === undefined) return;
    const parsed = this.#parsedStatements;
    const isParsed = parsed[query.name] !== undefined;
    if (isParsed && !isStalePlan(error)) return;
    this.#prepared.forget(query.target.session?.role ?? "", query.text);
    if (isParsed) this.#superseded.push(query.name);
    delete parsed[query.name];
    // The statement is gone, so others may be, and with them the one that changes sessions.
    if ((error as { code?: unknown }).code === "26000" && this.login.shared) this.broken = true;
  }

  /** Also prepares the statement by which a shared connection changes its session. */
  async #becomeNobody(): Promise<void> {
    this.sessionRole = undefined;
    await this.client.query({ ...sessionStatement, values: sessionValues(nobody) });
  }

  #forgetNames(): void {
    this.#prepared.clear();
    this.#superseded.length = 0;
    for (const name of Object.keys(this.#parsedStatements)) delete this.#parsedStatements[name];
  }

  /** What `pg` believes to be prepared, by name. */
  get #parsedStatements(): Record<string, string | undefined> {
    return (this.client.connection as unknown as { parsedStatements: Record<string, string | undefined> })
      .parsedStatements;
  }
}
