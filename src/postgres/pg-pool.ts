import pg from "pg";
import { type ConnectOptions, connect } from "./connect.ts";

type ConnectCallback = (
  error: Error | undefined,
  client: pg.PoolClient | undefined,
  done: (release?: unknown) => void,
) => void;

/**
 * A `pg.Pool` for libraries that insist on one, with every connection on the node that takes writes. Once it was
 * ended, whoever asks for a connection waits forever: work that is abandoned by a shutdown stands still, and does
 * not mistake the shutdown for its own failure.
 */
export class WriterPgPool extends pg.Pool {
  constructor(options: ConnectOptions & { readonly max?: number }) {
    super({
      database: options.database,
      user: options.credentials.user,
      password: options.credentials.password,
      application_name: options.applicationName,
      max: options.max ?? 10,
      keepAlive: true,
      idleTimeoutMillis: 0,
      Client: clientClass(options),
      ...(options.endpoint.certificateAuthority
        ? { ssl: { ca: options.endpoint.certificateAuthority } }
        : {}),
    });
    // A connection that breaks while idle must not end the process; the pool replaces it.
    this.on("error", () => {});
  }

  override connect(): Promise<pg.PoolClient>;
  override connect(callback: ConnectCallback): void;
  override connect(callback?: ConnectCallback): Promise<pg.PoolClient> | undefined {
    if (this.ending) return callback ? undefined : new Promise(() => {});
    if (!callback) return super.connect();
    super.connect(callback);
    return undefined;
  }
}

/** A client that finds out, each time it connects, which node to connect to. */
function clientClass(options: ConnectOptions): typeof pg.Client {
  return class WriterClient extends pg.Client {
    constructor(config?: pg.ClientConfig) {
      super(config);
      // One that breaks between two statements of whoever has it must not end the process either: the next one fails.
      this.on("error", () => {});
      prepareStatements(this);
    }

    override connect(): Promise<pg.Client>;
    override connect(callback: (error: Error) => void): void;
    override connect(callback?: (error: Error) => void): Promise<pg.Client> | undefined {
      const connected = this.#connect();
      if (!callback) return connected;
      // Without an error the callback gets nothing, which its type can't say.
      connected.then(() => (callback as () => void)(), callback);
      return undefined;
    }

    async #connect(): Promise<pg.Client> {
      const probe = await connect(options).catch(retriable);
      this.host = probe.host;
      this.port = probe.port;
      await probe.end();
      return super.connect();
    }
  };
}

/** More than any library has; one that puts values into its SQL must not fill the server's memory. */
const maximumStatements = 300;
const statementNames = new Map<string, string>();

function statementName(sql: string): string | undefined {
  const known = statementNames.get(sql);
  if (known !== undefined || statementNames.size >= maximumStatements) return known;
  const name = `s${statementNames.size}`;
  statementNames.set(sql, name);
  return name;
}

/**
 * Has the server parse and plan each statement once per connection, although the library names none: a quarter of
 * the time of a workflow goes into that otherwise.
 */
function prepareStatements(client: pg.Client): void {
  const query = client.query.bind(client) as (...parameters: unknown[]) => unknown;
  Object.assign(client, {
    query: (...parameters: unknown[]) => {
      const [text, values, ...callback] = parameters;
      const name = typeof text === "string" && Array.isArray(values) ? statementName(text) : undefined;
      return name === undefined ? query(...parameters) : query({ name, text, values }, ...callback);
    },
  });
}

/** Says in Postgres's own terms (08001) that there is no connection just now: the libraries try again then. */
function retriable(error: unknown): never {
  if ((error as { code?: unknown } | null)?.code !== "E_DATABASE_UNAVAILABLE") throw error;
  throw Object.assign(new Error("No node of the database server takes writes.", { cause: error }), {
    code: "08001",
  });
}
