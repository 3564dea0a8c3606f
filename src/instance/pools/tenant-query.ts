import pg from "pg";
import type { TenantSession } from "./login.ts";

/** What a caller may say of a query; the shape of `pg`'s own. */
export interface QueryConfig {
  readonly text: string;
  readonly values?: readonly unknown[] | undefined;
  readonly name?: string | undefined;
  readonly rowMode?: "array" | undefined;
  readonly types?: pg.CustomTypesConfig | undefined;
}

/** Called once, with either an error or a result. */
export type QueryCallback = (error: Error | null | undefined, result?: unknown) => void;

/** What goes to Postgres ahead of the statement, in the same message and under the same Sync. */
export interface QueryPreamble {
  /** Prepared statements that are no longer wanted. */
  readonly close: string[];
  /** Whose session the connection becomes first. */
  readonly session: TenantSession | undefined;
}

/** The prepared statement, made when a shared connection opens, that turns it into a tenant's. */
export const sessionStatement = {
  name: "rowhouse_session",
  text: "SELECT set_config('role', $1, false), set_config('search_path', $2, false)",
} as const;

/** The values of {@link sessionStatement}. A schema's name is quoted as an identifier of the search path. */
export function sessionValues(session: TenantSession): string[] {
  return [session.role, `"${session.schema.replaceAll('"', '""')}"`];
}

interface DriverConnection {
  readonly stream: { cork(): void; uncork(): void };
  readonly parsedStatements: Record<string, string | undefined>;
  bind(config: { statement: string; values: readonly string[] }): void;
  execute(config: object): void;
  close(message: { type: "S"; name: string }): void;
}

/** The parts of `pg.Query` that its types leave out. */
interface DriverQuery extends pg.Submittable {
  queryMode: "extended" | undefined;
  prepare(connection: DriverConnection): void;
  handleDataRow(message: unknown): void;
  handleCommandComplete(message: unknown, connection: unknown): void;
}

const DriverQuery = pg.Query as unknown as new (
  config: object,
  values: undefined,
  callback: QueryCallback,
) => DriverQuery;

/**
 * A query that may carry a preamble. One Sync for all means one implicit transaction: where taking on the session
 * fails, Postgres skips the statement, so that it never runs as whoever the connection served before.
 * Source: PostgreSQL's documentation, "Extended Query", on pipelining.
 */
export class TenantQuery extends DriverQuery {
  readonly #preamble: QueryPreamble;
  #inPreamble = false;
  #completed = false;

  constructor(config: QueryConfig, preamble: QueryPreamble, callback: QueryCallback) {
    super(config, undefined, callback);
    this.#preamble = preamble;
    if (preamble.session) this.queryMode = "extended";
  }

  /** True once Postgres said that a statement of this query was carried out: it may have taken effect. */
  get completed(): boolean {
    return this.#completed;
  }

  override prepare(connection: DriverConnection): void {
    const { close, session } = this.#preamble;
    for (const name of close) {
      connection.close({ type: "S", name });
      delete connection.parsedStatements[name];
    }
    if (session) {
      this.#inPreamble = true;
      connection.bind({ statement: sessionStatement.name, values: sessionValues(session) });
      connection.execute({});
    }
    super.prepare(connection);
  }

  override handleDataRow(message: unknown): void {
    if (!this.#inPreamble) super.handleDataRow(message);
  }

  override handleCommandComplete(message: unknown, connection: unknown): void {
    if (this.#inPreamble) {
      this.#inPreamble = false;
      return;
    }
    this.#completed = true;
    super.handleCommandComplete(message, connection);
  }
}
