import { join } from "node:path";
import { prepareControlSchema } from "../control/schema.ts";
import { Administration } from "../control/tenant-data/administration.ts";
import { Locations } from "../control/tenant-data/locations.ts";
import { TenantData } from "../control/tenant-data/tenant-data.ts";
import { tenantQueue } from "../core/tenant/message.ts";
import {
  createDataPlatform,
  type OpenDataPlatform,
  prepareDataPlatform,
  sharedServer,
} from "../embedded/data-platform.ts";
import { createKeys } from "../embedded/keys.ts";
import { administratorRole } from "../embedded/postgres/server-state.ts";
import { readJson, writeFileAtomically } from "../embedded/state-folder.ts";
import { createSystemRandom } from "../node/clock.ts";
import type { DatabaseEndpoint } from "../ports/databases.ts";
import type { Keys } from "../ports/keys.ts";
import { oneServer } from "./databases.ts";

/** The data side of a region, and what makes tenants in it. */
export interface TestRegion {
  readonly data: OpenDataPlatform;
  readonly locations: Locations;
  readonly tenantData: TenantData;
  close(): Promise<void>;
}

const passwordContext = { purpose: "testing-administrator" };

/** Where the region's own files are. */
function regionFolder(folder: string): string {
  return join(folder, "region");
}

/** Writes down the administrator's password, sealed as all others are. */
export async function writeAdministrator(folder: string, password: string): Promise<void> {
  const keys = await openKeys(folder);
  const sealed = { password: await keys.encrypt(password, passwordContext) };
  await writeFileAtomically(administratorFile(folder), JSON.stringify(sealed));
}

/** Makes everything that a region has before its first tenant. */
export async function prepareRegion(folder: string, endpoint: DatabaseEndpoint): Promise<void> {
  const region = await openRegion(folder, endpoint);
  const { pool, platform } = region.data;
  await prepareControlSchema(pool, "region");
  await prepareDataPlatform(pool);
  await region.tenantData.prepareSharedServer(sharedServer);
  // So that an application may send; what a worker takes from it is no matter of a test without one.
  await platform.queues.ensure(tenantQueue, { visibilityTimeoutSeconds: 30, maxReceives: 5 });
  // Nobody needs the template of templates, and it would be a quarter of what each test process copies.
  await pool.query("ALTER DATABASE template0 IS_TEMPLATE false");
  await pool.query("DROP DATABASE template0");
  await region.close();
}

/** Opens a prepared region. */
export async function openRegion(folder: string, endpoint: DatabaseEndpoint): Promise<TestRegion> {
  const keys = await openKeys(folder);
  const administrator = { user: administratorRole, password: await readPassword(folder, keys) };
  const databases = oneServer(sharedServer, { endpoint, administrator });
  const data = await createDataPlatform({
    region: "testing",
    folder: regionFolder(folder),
    keys,
    databases,
    // A database less to copy; a tenant's own roles can't enter this one either.
    connection: {
      endpoint,
      database: "postgres",
      credentials: administrator,
      applicationName: "rowhouse testing",
    },
    maxConnections: 4,
    // A test sends no mail: it stays in the outbox.
    smtp: undefined,
  });
  const administration = new Administration(databases);
  const locations = new Locations({ pool: data.pool, keys, random: createSystemRandom() });
  const zones = ["a", "b"] as const;
  return {
    data,
    locations,
    tenantData: new TenantData({
      databases,
      administration,
      locations,
      regionPool: data.pool,
      keys,
      zones,
    }),
    close: async () => {
      await administration.close();
      await data.close();
    },
  };
}

function openKeys(folder: string): Promise<Keys> {
  return createKeys({ file: join(regionFolder(folder), "keys.json") });
}

async function readPassword(folder: string, keys: Keys): Promise<string> {
  const sealed = await readJson<{ readonly password: string }>(administratorFile(folder));
  return keys.decrypt(sealed?.password ?? "", passwordContext);
}

function administratorFile(folder: string): string {
  return join(regionFolder(folder), "administrator.json");
}
