import type { Databases } from "../../src/ports/databases.ts";
import type { Keys } from "../../src/ports/keys.ts";
import { WriterPool } from "../../src/postgres/pool.ts";
import { migrationsOf } from "./migrations.ts";
import { assembleTestRegion } from "./region-context.ts";

/** Where a region's and the directory's tables are, for every process of one test. */
export interface FleetPlace {
  readonly databasesFolder: string;
  readonly keysFile: string;
  readonly server: string;
  readonly directoryDatabase: string;
  readonly regionDatabase: string;
}

export type Fleet = Awaited<ReturnType<typeof openFleet>>;

/** What the control plane's use cases work with, as far as migrations need it. */
export async function openFleet(
  place: FleetPlace,
  parts: {
    readonly databases: Pick<Databases, "endpoint" | "administrator">;
    readonly keys: Keys;
    readonly migrations: readonly string[];
  },
) {
  const { keys } = parts;
  const databases = parts.databases as Databases;
  const [endpoint, credentials] = await Promise.all([
    databases.endpoint(place.server),
    databases.administrator(place.server),
  ]);
  const connection = { endpoint, credentials, applicationName: "fleet" };
  const pool = new WriterPool({ ...connection, database: place.regionDatabase });
  const directoryPool = new WriterPool({ ...connection, database: place.directoryDatabase });
  const migrations = migrationsOf(...parts.migrations);
  const context = assembleTestRegion({
    ...{ pool, directoryPool },
    platform: { databases, keys },
    migrations: () => migrations,
  });
  return {
    region: context.name,
    context,
    pool,
    directoryPool,
    close: async () => {
      await context.tenantData.close();
      await context.administration.close();
      await Promise.all([pool.end(), directoryPool.end()]);
    },
  };
}
