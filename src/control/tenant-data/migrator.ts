import { fault } from "../../core/error.ts";
import type { Migration } from "../../core/migration/plan.ts";
import type { Databases } from "../../ports/databases.ts";
import type { Keys } from "../../ports/keys.ts";
import { connect, isConnectionLoss } from "../../postgres/connect.ts";
import { quoteIdentifier } from "../../postgres/identifier.ts";
import { applyMigrations } from "../../postgres/migrate.ts";
import { WriterPool } from "../../postgres/pool.ts";
import { type Locations, type StoredLocation, sharedDatabase } from "./locations.ts";
import { migratorLogin, readSharedLogin } from "./shared-login.ts";
import * as statements from "./statements.ts";

/** The table in each tenant's schema that says which migrations it has. */
export const ledgerTable = "rowhouse_migrations";

/** While a migration waits for a table, everyone behind it waits too. */
const lockTimeoutMilliseconds = 2000;

/** As many tenants of one shared database as are migrated at the same time. */
const maxConnections = 64;
const applicationName = "rowhouse-migrate";

interface Parts {
  readonly databases: Pick<Databases, "endpoint">;
  readonly locations: Locations;
  readonly regionPool: WriterPool;
  readonly keys: Keys;
}

/** Runs migrations as the tenants' owners: the SQL can reach nothing else. */
export class Migrator {
  readonly #parts: Parts;
  /** To the shared database of each server. */
  readonly #pools = new Map<string, Promise<WriterPool>>();

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  /**
   * Applies what the tenant's own ledger lacks. Returns how many files that were.
   * @throws E_MIGRATION_FAILED, E_MIGRATION_CHANGED, E_MIGRATION_BUSY when it should be tried again later,
   * E_DATABASE_UNAVAILABLE when the server went away: the ledger knows what was done, and a repeat does the rest
   */
  async apply(location: StoredLocation, migrations: readonly Migration[]): Promise<number> {
    try {
      return await this.#apply(location, migrations);
    } catch (cause) {
      throw isConnectionLoss(cause) ? fault("E_DATABASE_UNAVAILABLE", undefined, { cause }) : cause;
    }
  }

  async #apply(location: StoredLocation, migrations: readonly Migration[]): Promise<number> {
    const ledger = { ledgerSchema: location.schema, ledgerTable, lockTimeoutMilliseconds };
    // A new tenant's first connection is its owner's own: the login is tried before anything depends on it.
    if (location.ready && location.isolation === "schema" && location.database === sharedDatabase) {
      return this.#inTurn(
        location,
        async (client) => (await applyMigrations(client, migrations, ledger)).length,
      );
    }
    return this.#asOwner(location, async (client) => {
      const applied = await applyMigrations(client, migrations, ledger);
      if (!location.ready) await client.query(statements.protectLedger(location, ledgerTable));
      return applied.length;
    });
  }

  /** Closes what is open to a server before that is dropped. */
  async close(): Promise<void> {
    const pools = await Promise.allSettled(this.#pools.values());
    this.#pools.clear();
    await Promise.all(pools.map((pool) => (pool.status === "fulfilled" ? pool.value.end() : undefined)));
  }

  /**
   * On a connection that serves one tenant after the other: to open one for each costs Postgres as much as a small
   * migration. No SQL of a migration leaves the role (`changesRole` in `core/migration`).
   */
  async #inTurn<T>(location: StoredLocation, work: (client: Client) => Promise<T>): Promise<T> {
    const pool = await this.#pool(location.server);
    const [owner, schema] = [quoteIdentifier(location.ownerRole), quoteIdentifier(location.schema)];
    return pool.use(async (client) => {
      try {
        await client.query(`SET ROLE ${owner}; SET search_path = ${schema}`);
        return await work(client);
      } finally {
        // Its locks, settings, temporary tables and subscriptions too. What is lost is not given back.
        await client.query("DISCARD ALL").catch(async () => {
          // Refused inside a transaction: nothing of one tenant's may be open when the next one comes.
          await client.query("ROLLBACK");
          await client.query("DISCARD ALL");
        });
      }
    });
  }

  #pool(server: string): Promise<WriterPool> {
    let pool = this.#pools.get(server);
    if (!pool) {
      pool = this.#openPool(server);
      pool.catch(() => this.#pools.delete(server));
      this.#pools.set(server, pool);
    }
    return pool;
  }

  async #openPool(server: string): Promise<WriterPool> {
    const [endpoint, credentials] = await Promise.all([
      this.#parts.databases.endpoint(server),
      readSharedLogin(this.#parts, migratorLogin, { server, database: sharedDatabase }),
    ]);
    return new WriterPool({
      endpoint,
      credentials,
      database: sharedDatabase,
      applicationName,
      max: maxConnections,
    });
  }

  async #asOwner<T>(location: StoredLocation, work: (client: Client) => Promise<T>): Promise<T> {
    const [endpoint, password] = await Promise.all([
      this.#parts.databases.endpoint(location.server),
      this.#parts.locations.openPassword(location.ownerRole, location.ownerPassword),
    ]);
    const client = await connect({
      endpoint,
      database: location.database,
      credentials: { user: location.ownerRole, password },
      applicationName,
    });
    return work(client).finally(() => client.end());
  }
}

type Client = Awaited<ReturnType<typeof connect>>;
