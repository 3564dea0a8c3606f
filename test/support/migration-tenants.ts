import { setTimeout as pause } from "node:timers/promises";
import type pg from "pg";
import { copyEntries } from "../../src/control/directory.ts";
import { prepareControlSchema } from "../../src/control/schema.ts";
import type { StoredLocation } from "../../src/control/tenant-data/locations.ts";
import { createKeys } from "../../src/embedded/keys.ts";
import { connect } from "../../src/postgres/connect.ts";
import { createDatabase } from "../../src/postgres/create-database.ts";
import { createMachine, openPool } from "./database-machine.ts";
import { type Fleet, type FleetPlace, openFleet } from "./migration-fleet.ts";

const server = "shared-1";
const isolations = [
  "schema",
  "schema",
  "schema",
  "schema",
  "schema",
  "schema",
  "database",
  "database",
] as const;
const slugs = isolations.map((isolation, index) => `t${index}-${isolation}`);

export type MigrationTenants = Awaited<ReturnType<typeof migrationTenants>>;

/** Tenants with real roles on a watched pair of Postgres, and what can be known of each. */
export async function migrationTenants() {
  const machine = await createMachine();
  const databases = await machine.engine();
  databases.watch();
  await databases.create({ name: server, zones: ["a", "b"] });
  const keysFile = `${machine.state.region("here")}/keys.json`;
  const keys = await createKeys({ file: keysFile });
  const maintenance = await openPool(databases, server);
  const place: FleetPlace = {
    databasesFolder: machine.folder,
    keysFile,
    server,
    directoryDatabase: "directory",
    regionDatabase: "region",
  };
  for (const name of [place.directoryDatabase, place.regionDatabase]) await createDatabase(maintenance, name);
  const open = (migrations: readonly string[]) => openFleet(place, { databases, keys, migrations });
  const watching = await open([]);
  const { pool, directoryPool } = watching;
  await prepareControlSchema(directoryPool, "directory");
  await prepareControlSchema(pool, "region");
  await watching.context.tenantData.prepareSharedServer(server);
  const locationOf = async (slug: string): Promise<StoredLocation> =>
    (await watching.context.locations.find(slug))!;

  async function connectAs(slug: string, who: "owner" | "app"): Promise<pg.Client> {
    const location = await locationOf(slug);
    const { ownerRole, ownerPassword, appRole, appPassword, database } = location;
    const [user, sealed] = who === "owner" ? [ownerRole, ownerPassword] : [appRole, appPassword];
    const password = await watching.context.locations.openPassword(user, sealed);
    return connect({
      endpoint: await databases.endpoint(server),
      database,
      credentials: { user, password },
      applicationName: "test",
    });
  }

  return {
    slugs,
    place,
    untilAvailable: () => untilAvailable(async () => (await databases.describe(server))?.status, maintenance),
    /** Makes all tenants anew, with these migrations. */
    async reset(migrations: readonly string[]): Promise<void> {
      const fleet = await open(migrations);
      for (const [index, slug] of slugs.entries()) await makeTenant(fleet, slug, isolations[index]!);
      await fleet.close();
    },
    /** What a tenant's data says itself. */
    async describe(slug: string) {
      const client = await connectAs(slug, "owner");
      const list = async (sql: string) => (await client.query({ text: sql, rowMode: "array" })).rows.flat();
      try {
        return {
          ledger: await list("SELECT number FROM rowhouse_migrations ORDER BY 1"),
          effects: await list("SELECT file FROM effects ORDER BY 1"),
          columns: await list(
            "SELECT attname::text FROM pg_attribute WHERE attrelid = 'books'::regclass AND attnum > 0 ORDER BY 1",
          ),
          indexes: await list(
            `SELECT indexrelid::regclass || CASE WHEN indisvalid THEN ' valid' ELSE ' invalid' END
             FROM pg_index WHERE indrelid = 'books'::regclass ORDER BY 1`,
          ),
        };
      } finally {
        await client.end();
      }
    },
    /** Each tenant's version, by the directory and by its region. */
    async directoryVersions(): Promise<unknown[][]> {
      const sql = "SELECT slug, schema_version FROM";
      const directory = await directoryPool.query(`${sql} tenants ORDER BY slug`);
      const region = await pool.query(`${sql} data_locations WHERE slug IS NOT NULL ORDER BY slug`);
      return directory.rows.map((row, index) => [
        row.slug,
        row.schema_version,
        region.rows[index]?.schema_version,
      ]);
    },
    /** Someone who writes, and does not commit. */
    async openTransaction(slug: string): Promise<pg.Client> {
      const client = await connectAs(slug, "app");
      await client.query("BEGIN; INSERT INTO books (title) VALUES ('unfinished')");
      return client;
    },
    /** Whether a tenant's index is being built, and waits for who writes. */
    async isBuilding(slug: string): Promise<boolean> {
      const { rows } = await maintenance.query(
        `SELECT FROM pg_stat_activity WHERE query LIKE '%CREATE INDEX CONCURRENTLY%' AND pid <> pg_backend_pid()
         AND wait_event_type = 'Lock'`,
      );
      const { indexes } = await this.describe(slug);
      return rows.length > 0 && indexes.length > 1;
    },
    startServing: () => startServing((slug) => connectAs(slug, "app")),
    async dispose(): Promise<void> {
      await watching.close();
      await maintenance.end();
      await machine.dispose();
    },
  };
}

async function makeTenant(
  { context, region, pool, directoryPool }: Fleet,
  slug: string,
  isolation: "schema" | "database",
): Promise<void> {
  const { locations, tenantData, directory } = context;
  const old = await locations.find(slug);
  if (old) await tenantData.drop(old);
  await directoryPool.query("DELETE FROM tenants WHERE slug = $1", [slug]);
  await directory.reserve({ slug, region, plan: "plan", isolation, signupId: slug });
  const location = await locations.allocate({ slug, isolation, server, migrations: "m" });
  await tenantData.create(location, "own");
  const schemaVersion = await tenantData.migrate(location, context.release().migrations);
  await directory.place(slug, { server, schemaVersion });
  await copyEntries(pool, [await directory.apply(slug, "activate")]);
}

/** Reads and writes as every tenant's application, until it is stopped. */
function startServing(connectAs: (slug: string) => Promise<pg.Client>) {
  const failed: string[] = [];
  let [answered, isStopped] = [0, false];
  const serving = slugs.map(async (slug) => {
    let client = await connectAs(slug);
    while (!isStopped) {
      try {
        await client.query("INSERT INTO books (title) VALUES ('served'); SELECT max(id) FROM books");
        answered++;
      } catch (error) {
        failed.push(`${slug}: ${(error as Error).message}`);
        await client.end().catch(() => {});
        client = await connectAs(slug).catch(() => client);
      }
      await pause(20);
    }
    await client.end().catch(() => {});
  });
  return {
    async stop() {
      isStopped = true;
      await Promise.all(serving);
      return { answered, failed };
    },
  };
}

async function untilAvailable(
  status: () => Promise<string | undefined>,
  pool: { query(sql: string): Promise<unknown> },
): Promise<void> {
  for (;;) {
    const isWritable = await pool.query("SELECT pg_current_wal_lsn()").then(
      () => true,
      () => false,
    );
    if (isWritable && (await status()) === "available") return;
    await pause(20);
  }
}
