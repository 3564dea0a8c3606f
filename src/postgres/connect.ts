import pg from "pg";
import { fault } from "../core/error.ts";
import type { DatabaseCredentials, DatabaseEndpoint, DatabaseNode } from "../ports/databases.ts";

export interface ConnectOptions {
  readonly endpoint: DatabaseEndpoint;
  readonly database: string;
  readonly credentials: DatabaseCredentials;
  /** Shown in pg_stat_activity. */
  readonly applicationName: string;
  /** `writer` (default): the node that takes writes. `reader`: one that does not, or else the writer. */
  readonly role?: "writer" | "reader";
  readonly connectTimeoutMilliseconds?: number;
  /** Speaks the replication protocol, which has simple queries alone. */
  readonly replication?: boolean;
  /** Settings of the session from its start on. */
  readonly settings?: Readonly<Record<string, string>>;
}

/** Remembers which node answered last, so that the next connection asks that one first. Shared per endpoint. */
const lastWriter = new WeakMap<DatabaseEndpoint, DatabaseNode>();

/** A node that says nothing for so long may hang, and accept connections all the same: the next one is asked meanwhile. */
const hesitationMilliseconds = 300;

/**
 * Opens a connection to the node that has the wanted role, whichever it is just now.
 * @throws E_DATABASE_UNAVAILABLE when no node has it; a refused login or unknown database as Postgres says it
 */
export function connect(options: ConnectOptions): Promise<pg.Client> {
  return new Promise((resolve, reject) => new Search(options, { resolve, reject }).askNext());
}

interface Outcome {
  resolve(client: pg.Client): void;
  reject(error: unknown): void;
}

/** Asks one node after the other, without waiting for one that hesitates. */
class Search {
  readonly #options: ConnectOptions;
  readonly #wantsWriter: boolean;
  readonly #nodes: DatabaseNode[];
  readonly #outcome: Outcome;
  readonly #askedAgain = new Set<DatabaseNode>();
  #pending = 0;
  #isSettled = false;
  #timer: NodeJS.Timeout | undefined;
  /** The writer, for a reader that finds nothing else. */
  #fallback: pg.Client | undefined;
  #cause: unknown;

  constructor(options: ConnectOptions, outcome: Outcome) {
    this.#options = options;
    this.#outcome = outcome;
    this.#wantsWriter = options.role !== "reader";
    const known = lastWriter.get(options.endpoint);
    this.#nodes = options.endpoint.nodes.toSorted(
      (a, b) => rank(a, known, this.#wantsWriter) - rank(b, known, this.#wantsWriter),
    );
  }

  askNext(): void {
    clearTimeout(this.#timer);
    const node = this.#nodes.shift();
    if (node) {
      this.#pending++;
      open(node, this.#options).then(
        (opened) => this.#opened(node, opened),
        (error: unknown) => this.#failed(node, error),
      );
    }
    if (this.#nodes.length === 0 && (this.#pending === 0 || (!node && this.#fallback))) this.#giveUp();
    else this.#timer = setTimeout(() => this.askNext(), hesitationMilliseconds);
  }

  #opened(node: DatabaseNode, { client, inRecovery }: OpenedClient): void {
    this.#pending--;
    if (!inRecovery) lastWriter.set(this.#options.endpoint, node);
    if (this.#isSettled) {
      close(client);
    } else if (inRecovery !== this.#wantsWriter) {
      this.#settle(client);
    } else {
      if (this.#wantsWriter) close(client);
      else this.#fallback = client;
      this.askNext();
    }
  }

  #failed(node: DatabaseNode, error: unknown): void {
    this.#pending--;
    this.#cause = error;
    if (this.#isSettled) return;
    if (isAnswer(error)) this.#settle(undefined, error);
    else this.#askAfter(node, error);
  }

  #askAfter(node: DatabaseNode, error: unknown): void {
    if (wasEnded(error) && !this.#askedAgain.has(node)) {
      this.#askedAgain.add(node);
      this.#nodes.unshift(node);
    }
    this.askNext();
  }

  #giveUp(): void {
    const client = this.#fallback;
    this.#fallback = undefined;
    this.#settle(client, fault("E_DATABASE_UNAVAILABLE", undefined, { cause: this.#cause }));
  }

  #settle(client: pg.Client | undefined, error?: unknown): void {
    this.#isSettled = true;
    clearTimeout(this.#timer);
    if (this.#fallback) close(this.#fallback);
    if (client) this.#outcome.resolve(client);
    else this.#outcome.reject(error);
  }
}

function close(client: pg.Client): void {
  client.end().catch(() => {});
}

/** The node that took writes when it was last asked, or the first one while none was. */
export function knownWriter(endpoint: DatabaseEndpoint): DatabaseNode | undefined {
  return lastWriter.get(endpoint) ?? endpoint.nodes[0];
}

function rank(node: DatabaseNode, writer: DatabaseNode | undefined, wantsWriter: boolean): number {
  if (!writer) return 0;
  return (node === writer) === wantsWriter ? 0 : 1;
}

interface OpenedClient {
  readonly client: pg.Client;
  readonly inRecovery: boolean;
}

async function open(node: DatabaseNode, options: ConnectOptions): Promise<OpenedClient> {
  const client = new pg.Client({
    host: node.host,
    port: node.port,
    database: options.database,
    user: options.credentials.user,
    password: options.credentials.password,
    application_name: options.applicationName,
    connectionTimeoutMillis: options.connectTimeoutMilliseconds ?? 3000,
    keepAlive: true,
    ...(options.replication ? { replication: "database" } : {}),
    ...(options.settings ? { options: startupOptions(options.settings) } : {}),
    ...(options.endpoint.certificateAuthority ? { ssl: { ca: options.endpoint.certificateAuthority } } : {}),
  });
  // A connection that breaks while idle must not end the process; its next query rejects.
  client.on("error", () => {});
  let reported: string | undefined;
  const onStatus = (status: { parameterName: string; parameterValue: string }) => {
    if (status.parameterName === "in_hot_standby") reported = status.parameterValue;
  };
  client.connection.on("parameterStatus", onStatus);
  try {
    await client.connect();
    return { client, inRecovery: reported === undefined ? await askRecovery(client) : reported === "on" };
  } catch (error) {
    client.end().catch(() => {});
    throw error;
  } finally {
    client.connection.off("parameterStatus", onStatus);
  }
}

/** As the server's command line takes them: a space or backslash in a value is escaped. */
function startupOptions(settings: Readonly<Record<string, string>>): string {
  return Object.entries(settings)
    .map(([name, value]) => `-c ${name}=${value.replaceAll(/[\\ ]/g, "\\$&")}`)
    .join(" ");
}

/** For servers before Postgres 14; later ones say `in_hot_standby` while the connection starts, at no round trip. */
async function askRecovery(client: pg.Client): Promise<boolean> {
  const { rows } = await client.query<{ standby: boolean }>("SELECT pg_is_in_recovery() AS standby");
  return rows[0]?.standby ?? true;
}

/** Postgres understood and refused (wrong password, unknown database): asking another node would not help. */
function isAnswer(error: unknown): boolean {
  const code = (error as { code?: unknown } | null)?.code;
  return typeof code === "string" && /^(28|3D|42)/.test(code);
}

/** Somebody ended this one session while it started; a server that shuts down refuses new ones in other words. */
function wasEnded(error: unknown): boolean {
  return (error as { code?: unknown } | null)?.code === "57P01";
}

/** The statement or connection failed because its node went away or takes no writes; a new connection may do. */
export function isConnectionLoss(error: unknown): boolean {
  const { code, message } = (error ?? {}) as { code?: unknown; message?: unknown };
  if (
    typeof code === "string" &&
    /^(08|57P0[123]|25006|ECONN|EPIPE|ETIMEDOUT|E_DATABASE_UNAVAILABLE)/.test(code)
  )
    return true;
  return (
    typeof message === "string" &&
    /Connection terminated|not queryable|Client has encountered a connection error/.test(message)
  );
}
