import type pg from "pg";
import { RowhouseError } from "../../core/error.ts";
import type { PooledConnection } from "./connection.ts";
import type { ConnectionBudget } from "./connection-budget.ts";
import { adviseOnFailure } from "./failures.ts";
import { LeasedClient } from "./leased-client.ts";
import type { LeaseTarget } from "./login.ts";
import { guardSession, type QueryInput, readQuery } from "./query-arguments.ts";
import type { QueryConfig } from "./tenant-query.ts";

/** Where a pool gets to know whom it serves, and what it draws connections from. */
export interface TenantPoolOptions {
  readonly budget: ConnectionBudget;
  /** Whom the next query is for; a promise while that has to be found out. */
  readonly target: () => LeaseTarget | Promise<LeaseTarget>;
  /** Asked once when Postgres refuses the login: the data may have moved, or the password changed. */
  readonly refresh: () => Promise<LeaseTarget>;
}

/** A fresh connection can be caught by the same end of its server as the one before; a third is not. */
const mostAttempts = 3;

/**
 * A tenant's database as the application sees it: it looks like `pg.Pool`, and owns no connection. A single query
 * that certainly did not run (the node was demoted, the connection was dead) is repeated.
 */
export class TenantPool {
  readonly #options: TenantPoolOptions;
  readonly #budget: ConnectionBudget;

  constructor(options: TenantPoolOptions) {
    this.#options = options;
    this.#budget = options.budget;
  }

  /**
   * Runs one query on any connection.
   * @throws E_DATABASE_BUSY, E_DATABASE_UNAVAILABLE, E_STATEMENT_REFUSED, or what Postgres says
   */
  query<Row extends unknown[]>(
    config: QueryInput & { rowMode: "array" },
    values?: readonly unknown[],
  ): Promise<pg.QueryArrayResult<Row>>;
  query<Row extends pg.QueryResultRow = Record<string, unknown>>(
    input: QueryInput,
    values?: readonly unknown[],
  ): Promise<pg.QueryResult<Row>>;
  async query(input: QueryInput, values?: readonly unknown[]): Promise<unknown> {
    const config = readQuery(input, values);
    for (let attempt = 1; ; attempt++) {
      try {
        return await this.#runOnce(config);
      } catch (error) {
        if (!(error instanceof Repeatable)) throw error;
        if (attempt === mostAttempts) throw error.cause;
      }
    }
  }

  /**
   * A connection of one's own, to be given back with `release`.
   * @throws E_DATABASE_BUSY, E_DATABASE_UNAVAILABLE
   */
  async connect(): Promise<LeasedClient> {
    return (await this.#connect()).client;
  }

  async #connect(): Promise<{ client: LeasedClient; target: LeaseTarget }> {
    for (let attempt = 1; ; attempt++) {
      const { connection, target } = await this.#lease();
      try {
        await connection.become(target);
        const client = new LeasedClient(connection, target, () => this.#budget.release(connection, target));
        return { client, target };
      } catch (error) {
        connection.broken = true;
        this.#budget.release(connection, target);
        if (attempt === mostAttempts || !adviseOnFailure(error, { completed: false, onWriter: true }).discard)
          throw error;
        this.#budget.distrust(target.login);
      }
    }
  }

  /**
   * Runs `work` in one transaction: all of it is done, or nothing. It is rolled back when `work` throws.
   * @throws what `work` throws, and what Postgres says at COMMIT
   */
  async transaction<T>(work: (client: LeasedClient) => Promise<T>): Promise<T> {
    const client = await this.#begin();
    try {
      const result = await work(client);
      const { command } = await client.query("COMMIT");
      // Postgres answers COMMIT with ROLLBACK where a statement had failed and the caller went on.
      if (command !== "COMMIT")
        throw new Error("The transaction was rolled back, because a statement in it had failed");
      client.release();
      return result;
    } catch (error) {
      // Whatever is open is rolled back by the release.
      client.release();
      throw error;
    }
  }

  /** Does nothing: the connections belong to the instance. It is here for libraries that end the pool they were given. */
  async end(): Promise<void> {}

  /** Does nothing: a broken idle connection is the instance's to replace, and no event of the tenant's. */
  on(_event: string, _listener: (...values: never[]) => void): this {
    return this;
  }

  async #begin(): Promise<LeasedClient> {
    for (let attempt = 1; ; attempt++) {
      const { client, target } = await this.#connect();
      try {
        await client.query("BEGIN");
        return client;
      } catch (error) {
        client.release(true);
        if (attempt === mostAttempts || !adviseOnFailure(error, { completed: false, onWriter: true }).discard)
          throw error;
        this.#budget.distrust(target.login);
      }
    }
  }

  /** @throws Repeatable around an error after which the same query may be tried again */
  async #runOnce(config: QueryConfig): Promise<unknown> {
    const { connection, target } = await this.#lease();
    try {
      const effect = target.login.shared ? guardSession(config.text) : undefined;
      const pinned = effect !== undefined && !effect.isPlain;
      if (pinned) await connection.become(target);
      return await new Promise((resolve, reject) => {
        connection.run(config, { target, effect, pinned }, (error, result, completed) => {
          if (error)
            reject(judge(error, connection, { completed, onWriter: target.login.role === "writer" }));
          else resolve(result);
        });
      });
    } finally {
      await this.#return(connection, target);
      if (connection.broken) this.#budget.distrust(target.login);
    }
  }

  /** A query by itself leaves a transaction open only where it said BEGIN: that is then nobody's. */
  #return(connection: PooledConnection, target: LeaseTarget): Promise<void> | undefined {
    if (connection.broken || connection.isClean) {
      this.#budget.release(connection, target);
      return undefined;
    }
    return connection
      .clean()
      .catch(() => {
        connection.broken = true;
      })
      .then(() => this.#budget.release(connection, target));
  }

  async #lease(): Promise<{ connection: PooledConnection; target: LeaseTarget }> {
    const target = await this.#options.target();
    try {
      return { connection: await this.#budget.lease(target), target };
    } catch (error) {
      if (!isRefusedLogin(error)) throw error;
    }
    const fresh = await this.#options.refresh();
    return { connection: await this.#budget.lease(fresh), target: fresh };
  }
}

/** Says that the query had no effect, and that trying again may help. */
class Repeatable extends Error {}

function judge(
  error: Error,
  connection: PooledConnection,
  query: { completed: boolean; onWriter: boolean },
): Error {
  const advice = adviseOnFailure(error, query);
  if (advice.discard) connection.broken = true;
  return advice.mayRepeat ? new Repeatable("", { cause: error }) : error;
}

/** Class 28, invalid authorization, and 3D000, unknown database: what was known of the tenant's place is out of date. */
function isRefusedLogin(error: unknown): boolean {
  if (error instanceof RowhouseError) return false;
  const code = (error as { code?: unknown } | null)?.code;
  return typeof code === "string" && /^(28|3D)/.test(code);
}
