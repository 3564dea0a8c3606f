import { Directory } from "../../src/control/directory.ts";
import type { RegionContext } from "../../src/control/region-context.ts";
import { Administration } from "../../src/control/tenant-data/administration.ts";
import { Locations } from "../../src/control/tenant-data/locations.ts";
import { TenantData } from "../../src/control/tenant-data/tenant-data.ts";
import { TenantOperations } from "../../src/control/tenant-operation.ts";
import { createSystemRandom } from "../../src/embedded/clock.ts";
import type { Databases } from "../../src/ports/databases.ts";
import type { Keys } from "../../src/ports/keys.ts";
import { WriterPool } from "../../src/postgres/pool.ts";
import { migrationsOf } from "./migrations.ts";

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
  const region = "eu-west-1";
  const databases = parts.databases as Databases;
  const [endpoint, credentials] = await Promise.all([
    databases.endpoint(place.server),
    databases.administrator(place.server),
  ]);
  const connection = { endpoint, credentials, applicationName: "fleet" };
  const pool = new WriterPool({ ...connection, database: place.regionDatabase });
  const directoryPool = new WriterPool({ ...connection, database: place.directoryDatabase });
  const administration = new Administration(databases);
  const locations = new Locations({ pool, keys, random: createSystemRandom() });
  const tenantData = new TenantData({
    databases,
    administration,
    locations,
    keys,
    regionPool: pool,
    zones: ["a", "b"],
  });
  const migrations = migrationsOf(...parts.migrations);
  const context = {
    name: region,
    pool,
    directory: new Directory(directoryPool),
    administration,
    locations,
    operations: new TenantOperations(pool),
    tenantData,
    release: () => ({ version: "v", sha256: "", migrations, migrationsFingerprint: "" }),
  } as unknown as RegionContext;
  return {
    region,
    context,
    pool,
    directoryPool,
    close: async () => {
      await tenantData.close();
      await administration.close();
      await Promise.all([pool.end(), directoryPool.end()]);
    },
  };
}
