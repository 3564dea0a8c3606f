import { join } from "node:path";
import { createSystemClock, createSystemRandom } from "../node/clock.ts";
import type { Databases } from "../ports/databases.ts";
import type { Keys } from "../ports/keys.ts";
import type { DataPlatform } from "../ports/platform.ts";
import type { ConnectOptions } from "../postgres/connect.ts";
import { type ControlDatabase, controlDatabaseConnection } from "../postgres/control-database.ts";
import type { OutboxMail } from "../postgres/mail/outbox-mail.ts";
import { WriterPool } from "../postgres/pool.ts";
import { createCache, type PostgresCache, prepareCache } from "./cache.ts";
import { fileLogin } from "./control-login.ts";
import { openDatabases } from "./databases.ts";
import { createKeys } from "./keys.ts";
import { createMail, prepareMail } from "./mail.ts";
import { createObjects, type FileObjects } from "./objects.ts";
import { createObjectsHandler } from "./objects-handler.ts";
import { createQueues, prepareQueues } from "./queues.ts";
import { createRegistry, prepareRegistry } from "./registry.ts";
import type { Settings } from "./settings.ts";
import { ensureSigningKey } from "./signing-key.ts";
import type { StateFolder } from "./state-folder.ts";

/** The shared database server that a region begins with; its control database is there too. */
export const sharedServer = "shared-1";

export interface OpenRegion {
  readonly folder: StateFolder;
  readonly settings: Settings;
  readonly region: string;
  /** Shown in pg_stat_activity. */
  readonly applicationName: string;
  /** Connections to the region's control database. */
  readonly maxConnections: number;
}

/** The data side of a region with what its engines stand on. */
export interface OpenDataPlatform {
  readonly platform: DataPlatform & {
    readonly cache: PostgresCache;
    readonly objects: FileObjects;
    readonly mail: OutboxMail;
  };
  readonly connection: ConnectOptions;
  readonly pool: WriterPool;
  readonly objectsHandler: ReturnType<typeof createObjectsHandler>;
  close(): Promise<void>;
}

/** Where a region's control database is. */
export function regionControlDatabase(folder: StateFolder, region: string, keys: Keys): ControlDatabase {
  const database = "rowhouse_region";
  return {
    server: sharedServer,
    database,
    login: fileLogin({ folder: folder.region(region), database, keys }),
  };
}

/** Makes the tables of all engines of the data side in a region's control database. Safe to call at every start. */
export async function prepareDataPlatform(pool: WriterPool): Promise<void> {
  for (const prepare of [prepareRegistry, prepareCache, prepareMail, prepareQueues]) await prepare(pool);
}

/** Opens a region's data side; its databases must have been made. @throws E_NOT_RUNNING, E_DATABASE_UNAVAILABLE */
export async function openDataPlatform(options: OpenRegion): Promise<OpenDataPlatform> {
  const folder = options.folder.region(options.region);
  const keys = await createKeys({ file: join(folder, "keys.json") });
  const databases = openDatabases({ folder: join(folder, "databases"), keys });
  const connection = await controlDatabaseConnection(
    databases,
    regionControlDatabase(options.folder, options.region, keys),
    options.applicationName,
  );
  return createDataPlatform({
    ...options,
    folder,
    keys,
    databases,
    connection,
    smtp: options.settings.config.mail.smtp,
  });
}

/** The data side on databases that are there, wherever they come from. */
export async function createDataPlatform(options: {
  readonly region: string;
  /** The region's part of the state folder. */
  readonly folder: string;
  readonly keys: Keys;
  readonly databases: Pick<Databases, "endpoint">;
  /** To the region's control database. */
  readonly connection: ConnectOptions;
  readonly maxConnections: number;
  readonly smtp: string | undefined;
}): Promise<OpenDataPlatform> {
  const { region, folder, keys, databases, connection, smtp } = options;
  const clock = createSystemClock();
  const pool = new WriterPool({ ...connection, max: options.maxConnections });
  const signingKey = await ensureSigningKey(keys, join(folder, "signing-key.json"));
  const objects = await createObjects({ folder: join(folder, "objects"), signingKey, clock });
  const platform = {
    region,
    clock,
    random: createSystemRandom(),
    keys,
    registry: createRegistry({ pool }),
    databases,
    objects,
    cache: createCache({ pool }),
    queues: createQueues({ pool, clock }),
    mail: createMail({ pool, clock, ...(smtp === undefined ? {} : { smtp }) }),
  };
  return {
    platform,
    connection,
    pool,
    objectsHandler: createObjectsHandler({ objects, signingKey, clock }),
    close: async () => {
      await Promise.all([platform.queues.close(), platform.mail.close()]);
      await objects.close();
      await pool.end();
    },
  };
}
