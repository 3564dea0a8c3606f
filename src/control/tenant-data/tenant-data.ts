import type pg from "pg";
import type { Migration } from "../../core/migration/plan.ts";
import type { Connections } from "../../core/tenant/tenant.ts";
import type { Databases } from "../../ports/databases.ts";
import type { Keys } from "../../ports/keys.ts";
import { createDatabase } from "../../postgres/create-database.ts";
import { quoteIdentifier } from "../../postgres/identifier.ts";
import type { WriterPool } from "../../postgres/pool.ts";
import { scramVerifier } from "../../postgres/scram.ts";
import type { Administration } from "./administration.ts";
import { type Locations, type StoredLocation, sharedDatabase } from "./locations.ts";
import { Migrator } from "./migrator.ts";
import {
  ensureSharedLogin,
  grantToMigrator,
  grantToSharedLogin,
  migratorLogin,
  sharedLogin,
} from "./shared-login.ts";
import * as statements from "./statements.ts";

const roleExists = "SELECT FROM pg_roles WHERE rolname = $1";

/** Makes and removes what holds a tenant's rows: roles, schema, database, server. Every method is safe to repeat. */
export class TenantData {
  readonly #databases: Databases;
  readonly #administration: Administration;
  readonly #locations: Locations;
  readonly #regionPool: WriterPool;
  readonly #keys: Keys;
  readonly #zones: readonly [string, string];
  readonly #migrator: Migrator;

  constructor(parts: {
    readonly databases: Databases;
    readonly administration: Administration;
    readonly locations: Locations;
    readonly regionPool: WriterPool;
    readonly keys: Keys;
    readonly zones: readonly [string, string];
  }) {
    this.#databases = parts.databases;
    this.#administration = parts.administration;
    this.#locations = parts.locations;
    this.#regionPool = parts.regionPool;
    this.#keys = parts.keys;
    this.#zones = parts.zones;
    this.#migrator = new Migrator(parts);
  }

  /** Makes a shared server ready for tenants: the database of schemas, closed to everyone who is not let in. */
  async prepareSharedServer(server: string): Promise<void> {
    const maintenance = await this.#administration.pool(server, "postgres");
    await maintenance.use(async (client) => {
      // A controller that ends and the one that takes its place may meet here; Postgres fails one of two such grants.
      await client.query("SELECT pg_advisory_lock(hashtextextended('rowhouse.prepare', 0))");
      try {
        await this.#prepareSharedServer(server, maintenance);
      } finally {
        await client.query("SELECT pg_advisory_unlock(hashtextextended('rowhouse.prepare', 0))");
      }
    });
  }

  async #prepareSharedServer(server: string, maintenance: WriterPool): Promise<void> {
    await createDatabase(maintenance, sharedDatabase);
    for (const database of [sharedDatabase, "postgres", "template1"]) {
      await maintenance.query(statements.closeDatabase(database));
    }
    if (!(await maintenance.use((client) => exists(client, roleExists, statements.visitorRole)))) {
      await maintenance.query(`CREATE ROLE ${statements.visitorRole} NOLOGIN`);
    }
    await maintenance.query(
      `GRANT CONNECT ON DATABASE ${quoteIdentifier(sharedDatabase)} TO ${statements.visitorRole}`,
    );
    const shared = await this.#administration.pool(server, sharedDatabase);
    await shared.query("REVOKE ALL ON SCHEMA public FROM PUBLIC");
    const parts = { regionPool: this.#regionPool, serverPool: shared, keys: this.#keys };
    for (const login of [sharedLogin, migratorLogin])
      await ensureSharedLogin(parts, login, { server, database: sharedDatabase });
  }

  /** Makes the roles, and the schema, database or server, unless they are there. @throws E_DISK_FULL, E_QUOTA */
  async create(location: StoredLocation, connections: Connections): Promise<void> {
    if (!location.ready) await this.#make(location);
    if (location.isolation !== "schema" || connections === "own") return;
    const pool = await this.#administration.pool(location.server, location.database);
    await pool.query(grantToSharedLogin(location));
  }

  async #make(location: StoredLocation): Promise<void> {
    if (location.isolation === "schema") return this.#createSchema(location);
    if (location.isolation === "server") {
      await this.#databases.create({ name: location.server, zones: this.#zones, size: "dedicated" });
      const maintenance = await this.#administration.pool(location.server, "postgres");
      await maintenance.query(statements.closeDatabase("postgres"));
    }
    await this.#createDatabase(location);
  }

  /**
   * Applies what the release's migrations add to a new location, and writes down that it is whole.
   * Returns the schema version. @throws E_MIGRATION_FAILED, E_MIGRATION_CHANGED
   */
  async migrate(location: StoredLocation, migrations: readonly Migration[]): Promise<number> {
    const latest = migrations.at(-1)?.number ?? 0;
    if (location.ready && location.schemaVersion === latest) return latest;
    await this.applyMigrations(location, migrations);
    await this.#locations.markReady(location.id, latest);
    return latest;
  }

  /**
   * Applies what the tenant's own ledger lacks, as its owner: the SQL can reach nothing else. Returns how many files
   * that were. @throws E_MIGRATION_FAILED, E_MIGRATION_CHANGED, E_MIGRATION_BUSY when it should be tried again later
   */
  applyMigrations(location: StoredLocation, migrations: readonly Migration[]): Promise<number> {
    return this.#migrator.apply(location, migrations);
  }

  /** Ends the connections that are kept for migrations. */
  close(): Promise<void> {
    return this.#migrator.close();
  }

  /** Removes everything of the location, half-made or whole, and its row last. */
  async drop(location: StoredLocation): Promise<void> {
    if (location.isolation === "server") {
      await this.#administration.forget(location.server);
      await this.#databases.delete(location.server);
    } else {
      await this.#dropFromSharedServer(location);
    }
    await this.#locations.remove(location.id);
  }

  async #createSchema(location: StoredLocation): Promise<void> {
    const pool = await this.#administration.pool(location.server, location.database);
    const verifiers = await this.#verifiers(location);
    await pool.transaction(async (client) => {
      if (await exists(client, "SELECT FROM pg_namespace WHERE nspname = $1", location.schema)) return;
      await client.query(
        statements.createRoles(location, verifiers) +
          statements.createSchema(location) +
          statements.grantSchema(location) +
          grantToMigrator(location.ownerRole),
      );
    });
  }

  async #createDatabase(location: StoredLocation): Promise<void> {
    const maintenance = await this.#administration.pool(location.server, "postgres");
    const verifiers = await this.#verifiers(location);
    await maintenance.transaction(async (client) => {
      if (await exists(client, roleExists, location.appRole)) return;
      await client.query(statements.createRoles(location, verifiers));
    });
    await createDatabase(maintenance, location.database);
    const own = await this.#administration.pool(location.server, location.database);
    try {
      await own.query(statements.takeOverDatabase(location) + statements.grantSchema(location));
    } finally {
      await this.#administration.forget(location.server, location.database);
    }
  }

  async #dropFromSharedServer(location: StoredLocation): Promise<void> {
    const { server, database, isolation, ownerRole, appRole } = location;
    await this.#administration.forget(server, isolation === "database" ? database : "");
    const pool = await this.#administration.pool(server, isolation === "schema" ? database : "postgres");
    await pool.query(statements.endSessions, [[ownerRole, appRole]]);
    if (isolation === "schema") await pool.query(statements.dropSchema(location));
    else await pool.query(`DROP DATABASE IF EXISTS ${quoteIdentifier(database)} WITH (FORCE)`);
    await pool.transaction(async (client) => {
      for (const role of [appRole, ownerRole]) {
        if (await exists(client, roleExists, role)) {
          await client.query(statements.dropRole(role));
        }
      }
    });
  }

  async #verifiers(location: StoredLocation): Promise<statements.Verifiers> {
    const [owner, app] = await Promise.all([
      this.#locations.openPassword(location.ownerRole, location.ownerPassword),
      this.#locations.openPassword(location.appRole, location.appPassword),
    ]);
    return { owner: scramVerifier(owner), app: scramVerifier(app) };
  }
}

async function exists(client: pg.ClientBase, sql: string, value: string): Promise<boolean> {
  return ((await client.query(sql, [value])).rowCount ?? 0) > 0;
}
