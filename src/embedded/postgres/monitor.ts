import { Socket } from "node:net";
import pg from "pg";
import type { DatabaseCredentials, DatabaseNode } from "../../ports/databases.ts";

const connectTimeoutMilliseconds = 1000;

/** One kept connection to one node, to look at it often and never wait long for it. */
export class NodeMonitor {
  readonly #node: DatabaseNode;
  readonly #credentials: () => Promise<DatabaseCredentials>;
  #connection: Promise<{ client: pg.Client; socket: Socket }> | undefined;

  constructor(node: DatabaseNode, credentials: () => Promise<DatabaseCredentials>) {
    this.#node = node;
    this.#credentials = credentials;
  }

  /** `undefined` when the node gives no answer in time. Throws what Postgres finds wrong in the statement itself. */
  async query<Row extends pg.QueryResultRow>(
    sql: string,
    parameters: readonly unknown[],
    timeoutMilliseconds: number,
  ): Promise<Row[] | undefined> {
    this.#connection ??= this.#connect();
    const connection = this.#connection;
    let timer: NodeJS.Timeout | undefined;
    const timeout = new Promise<undefined>((resolve) => {
      timer = setTimeout(() => resolve(undefined), timeoutMilliseconds);
    });
    try {
      const answer = connection.then(({ client }) => client.query<Row>(sql, [...parameters]));
      const result = await Promise.race([answer, timeout]);
      if (!result) this.#drop(connection);
      return result?.rows;
    } catch (error) {
      this.#drop(connection);
      if (/^42/.test((error as { code?: string }).code ?? "")) throw error;
      return undefined;
    } finally {
      clearTimeout(timer);
    }
  }

  close(): void {
    if (this.#connection) this.#drop(this.#connection);
  }

  async #connect(): Promise<{ client: pg.Client; socket: Socket }> {
    const { user, password } = await this.#credentials();
    const socket = new Socket();
    const client = new pg.Client({
      ...this.#node,
      database: "postgres",
      user,
      password,
      application_name: "rowhouse-watch",
      connectionTimeoutMillis: connectTimeoutMilliseconds,
      stream: () => socket,
    });
    client.on("error", () => {});
    try {
      await client.connect();
      return { client, socket };
    } catch (error) {
      socket.destroy();
      throw error;
    }
  }

  /** Cuts the socket: a node that hangs would not take leave either. */
  #drop(connection: Promise<{ socket: Socket }>): void {
    if (this.#connection === connection) this.#connection = undefined;
    connection.then(
      ({ socket }) => socket.destroy(),
      () => {},
    );
  }
}
