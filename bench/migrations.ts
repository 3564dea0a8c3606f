/**
 * A migration over a fleet of tenants with a schema each, beside plain parallel connections that send the same SQL to
 * schemas of the same server; and a run that has nothing to do.
 */
import { createHash } from "node:crypto";
import { join } from "node:path";
import pg from "pg";
import { copyEntries } from "../src/control/directory.ts";
import { migrateTenants } from "../src/control/migration/migrate-tenants.ts";
import { type MigrateDocument, runMigrations } from "../src/control/migration/run.ts";
import type { RegionControl } from "../src/control/region-control.ts";
import { prepareControlSchema } from "../src/control/schema.ts";
import { type Migration, orderMigrations } from "../src/core/migration/plan.ts";
import { createKeys } from "../src/embedded/keys.ts";
import { createSystemClock } from "../src/node/clock.ts";
import type { Databases } from "../src/ports/databases.ts";
import { WriterPool } from "../src/postgres/pool.ts";
import { freePort } from "../test/support/postgres-server.ts";
import { openRegionContext } from "../test/support/region-context.ts";
import { type Figure, figure } from "./figure.ts";
import { startPostgres } from "./requests-data.ts";

const tenants = 1000;
const upToDateTenants = 10_000;
const connections = 4;
const region = "eu-west-1";
const first = "CREATE TABLE books (id serial PRIMARY KEY, title text)";
const second =
  "CREATE TABLE loans (id serial PRIMARY KEY, reader text);\nALTER TABLE books ADD COLUMN isbn text;\nCREATE INDEX books_isbn ON books (isbn);";

export async function measureMigrations(): Promise<Figure[]> {
  const postgres = await startPostgres(await freePort());
  const ground = await prepare(postgres);
  try {
    await ground.makeTenants();
    const plain = await plainMilliseconds(postgres.port);
    ground.release(first, second);
    const { durationMs, applied } = await ground.run();
    if (applied !== tenants) throw new Error(`${applied} of ${tenants} tenants were migrated.`);
    await ground.addUpToDate();
    const startedAt = performance.now();
    const idle = await ground.run();
    const idleMilliseconds = performance.now() - startedAt;
    if (idle.skipped !== tenants + upToDateTenants) throw new Error("The run had something to do.");
    return [
      figure({
        name: `the same SQL for ${tenants} plain schemas over ${connections} connections`,
        value: plain,
        unit: "ms",
      }),
      figure({
        name: `\`migrate run\`: a table and an indexed column for ${tenants} tenants`,
        value: durationMs,
        unit: "ms",
        limit: Math.round(plain * 1.5),
      }),
      figure({
        name: `\`migrate run\` with nothing to do for ${tenants + upToDateTenants} tenants`,
        value: idleMilliseconds,
        unit: "ms",
        limit: 100,
      }),
    ];
  } finally {
    await ground.close();
    await postgres.stop();
  }
}

/** Control databases, and a region's arm that migrates, on one server. */
async function prepare({ port, folder }: { readonly port: number; readonly folder: string }) {
  const databases = serverAt(port);
  const maintenance = await openPool(databases, "postgres");
  for (const name of ["rowhouse_region", "rowhouse_directory"])
    await maintenance.query(`CREATE DATABASE ${name}`);
  await maintenance.end();
  const [pool, directoryPool] = await Promise.all([
    openPool(databases, "rowhouse_region"),
    openPool(databases, "rowhouse_directory"),
  ]);
  await prepareControlSchema(pool, "region");
  await prepareControlSchema(directoryPool, "directory");
  const keys = await createKeys({ file: join(folder, "keys.json") });
  let migrations: readonly Migration[] = migrationsOf(first);
  const context = await openRegionContext({
    ...{ pool, directoryPool },
    platform: { databases, keys },
    migrations: () => migrations,
  });
  const { directory, locations, tenantData, administration } = context;
  const arm = {
    migrate: (command: Parameters<RegionControl["migrate"]>[0]) => migrateTenants(context, command),
    schemaTarget: async () => ({ version: migrations.length }),
  } as unknown as RegionControl;

  async function makeTenant(slug: string): Promise<void> {
    await directory.reserve({ slug, region, plan: "starter", isolation: "schema", signupId: slug });
    const location = await locations.allocate({
      slug,
      isolation: "schema",
      server: "shared-1",
      migrations: "bench",
    });
    await tenantData.create(location, "own");
    const schemaVersion = await tenantData.migrate(location, migrations);
    await directory.place(slug, { server: "shared-1", schemaVersion });
    await copyEntries(pool, [await directory.apply(slug, "activate")]);
  }

  return {
    makeTenants: () => inParallel(tenants, (index) => makeTenant(`t-${index}`)),
    release: (...texts: string[]) => {
      migrations = migrationsOf(...texts);
    },
    run: (): Promise<MigrateDocument> =>
      runMigrations(
        { directory, regions: new Map([[region, arm]]), clock: createSystemClock() },
        { canaries: 1, concurrency: connections, maxFailures: 0 },
      ),
    addUpToDate: () =>
      directoryPool.query(
        `INSERT INTO tenants (slug, region, state, plan, isolation, server, schema_version, signup_id)
         SELECT 'u-' || n, $1, 'active', 'starter', 'schema', 'shared-1', $2, '' FROM generate_series(1, $3) n`,
        [region, migrations.length, upToDateTenants],
      ),
    close: async () => {
      await administration.close();
      await Promise.all([pool.end(), directoryPool.end()]);
    },
  };
}

/** What a script with a few connections of one role takes, each schema in a transaction. */
async function plainMilliseconds(port: number): Promise<number> {
  const clients = Array.from(
    { length: connections },
    () => new pg.Client({ host: "127.0.0.1", port, user: "postgres", database: "tenants" }),
  );
  await Promise.all(clients.map((client) => client.connect()));
  const forEachSchema = (sql: (schema: string) => string) =>
    inParallel(tenants, async (index, worker) => {
      await clients[worker]?.query(sql(`plain_${index}`));
    });
  await forEachSchema((schema) => `CREATE SCHEMA ${schema}; SET search_path = ${schema}; ${first}`);
  const startedAt = performance.now();
  await forEachSchema((schema) => `SET search_path = ${schema}; BEGIN; ${second} COMMIT`);
  const duration = performance.now() - startedAt;
  await Promise.all(clients.map((client) => client.end()));
  return duration;
}

async function inParallel(
  count: number,
  work: (index: number, worker: number) => Promise<void>,
): Promise<void> {
  const indexes = Array.from({ length: count }, (_, index) => index).values();
  const loop = async (worker: number) => {
    for (const index of indexes) await work(index, worker);
  };
  await Promise.all(Array.from({ length: connections }, (_, worker) => loop(worker)));
}

function migrationsOf(...texts: readonly string[]): Migration[] {
  return orderMigrations(
    texts.map((sql, index) => ({
      file: `${String(index + 1).padStart(4, "0")}_bench.sql`,
      sql,
      sha256: createHash("sha256").update(sql).digest("hex"),
    })),
  );
}

function serverAt(port: number): Databases {
  const endpoint = { nodes: [{ host: "127.0.0.1", port }] };
  return {
    endpoint: async () => endpoint,
    administrator: async () => ({ user: "postgres", password: "" }),
  } as unknown as Databases;
}

async function openPool(databases: Databases, database: string): Promise<WriterPool> {
  return new WriterPool({
    endpoint: await databases.endpoint("shared-1"),
    database,
    credentials: await databases.administrator("shared-1"),
    applicationName: "bench",
    max: connections,
  });
}
