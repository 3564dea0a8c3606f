import { RowhouseError } from "../../core/error.ts";
import type { Clock } from "../../ports/clock.ts";
import type { DatabaseEndpoint } from "../../ports/databases.ts";
import { isConnectionLoss } from "../../postgres/connect.ts";
import { Breaker } from "./breaker.ts";
import { PooledConnection } from "./connection.ts";
import type { Login } from "./login.ts";
import { RepeatedStatements } from "./statements.ts";

export interface ConnectionOpenerOptions {
  /** Where a server is reached now. `fresh` asks again where an older answer led nowhere. */
  readonly endpoint: (server: string, options: { readonly fresh: boolean }) => Promise<DatabaseEndpoint>;
  readonly clock: Clock;
  /** Shown in pg_stat_activity. */
  readonly applicationName: string;
  /** Openings of one server that may be under way at once, so that a slow server can't hold the whole budget. */
  readonly atOncePerServer: number;
}

/** What is guessed of the first opening; later ones are measured. */
const firstGuessMilliseconds = 15;
/** How slowly the mean follows: one part in so many. */
const smoothing = 8;

/** Opens connections: with a breaker for each server, few at a time, and knowing what it costs. */
export class ConnectionOpener {
  readonly #options: ConnectionOpenerOptions;
  readonly #repeated = new RepeatedStatements();
  readonly #breakers = new Map<string, Breaker>();
  readonly #underWay = new Map<string, number>();
  #meanMilliseconds = firstGuessMilliseconds;
  #opened = 0;

  constructor(options: ConnectionOpenerOptions) {
    this.#options = options;
  }

  /** What opening a connection has lately cost. */
  get meanMilliseconds(): number {
    return this.#meanMilliseconds;
  }

  /** How many were opened since the start. */
  get opened(): number {
    return this.#opened;
  }

  /** True while a server was found down, and nobody is to try. */
  isDown(server: string): boolean {
    return this.#breakerOf(server).state(this.#options.clock.elapsedMilliseconds()) === "open";
  }

  /** True when a connection to this server may be opened now. */
  mayOpen(server: string): boolean {
    const state = this.#breakerOf(server).state(this.#options.clock.elapsedMilliseconds());
    const atOnce = state === "closed" ? this.#options.atOncePerServer : 1;
    return state !== "open" && (this.#underWay.get(server) ?? 0) < atOnce;
  }

  /**
   * Opens a connection as soon as `ready` resolves; until then, too, it counts as under way.
   * @throws E_DATABASE_UNAVAILABLE; a refused login as Postgres says it
   */
  async open(login: Login, ready: Promise<void> | undefined): Promise<PooledConnection> {
    const { server } = login;
    this.#breakerOf(server).begin();
    this.#underWay.set(server, (this.#underWay.get(server) ?? 0) + 1);
    try {
      await ready;
      return await this.#openNow(login);
    } finally {
      this.#underWay.set(server, (this.#underWay.get(server) ?? 1) - 1);
    }
  }

  async #openNow(login: Login): Promise<PooledConnection> {
    const { clock, applicationName, endpoint } = this.#options;
    const breaker = this.#breakerOf(login.server);
    const nowMilliseconds = clock.elapsedMilliseconds();
    try {
      const fresh = breaker.state(nowMilliseconds) !== "closed";
      const opening = {
        login,
        endpoint: await endpoint(login.server, { fresh }),
        applicationName,
        repeated: this.#repeated,
        nowMilliseconds,
      };
      // A backend that was ended before it ever served says nothing of the server.
      const connection = await PooledConnection.open(opening).catch((error: unknown) => {
        if (error instanceof RowhouseError || !isConnectionLoss(error)) throw error;
        return PooledConnection.open(opening);
      });
      breaker.succeeded();
      this.#opened++;
      this.#meanMilliseconds +=
        (clock.elapsedMilliseconds() - nowMilliseconds - this.#meanMilliseconds) / smoothing;
      return connection;
    } catch (error) {
      if (isServerDown(error)) breaker.failed(clock.elapsedMilliseconds());
      else breaker.succeeded();
      throw error;
    }
  }

  #breakerOf(server: string): Breaker {
    let breaker = this.#breakers.get(server);
    if (!breaker) {
      breaker = new Breaker();
      this.#breakers.set(server, breaker);
    }
    return breaker;
  }
}

/** No node answers; a server that is merely full is not down. */
export function isServerDown(error: unknown): boolean {
  return error instanceof RowhouseError && error.code === "E_DATABASE_UNAVAILABLE" && !isServerFull(error);
}

/** Class 53, insufficient resources, as with 53300 too_many_connections. */
export function isServerFull(error: unknown): boolean {
  const code = ((error as { cause?: unknown } | null)?.cause as { code?: unknown } | undefined)?.code;
  return typeof code === "string" && code.startsWith("53");
}
