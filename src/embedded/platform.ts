import { join } from "node:path";
import { RowhouseError } from "../core/error.ts";
import { createSystemClock } from "../node/clock.ts";
import { createIntegrations } from "../node/integrations.ts";
import type { Clock } from "../ports/clock.ts";
import type { Keys } from "../ports/keys.ts";
import type { RegionPlatform } from "../ports/platform.ts";
import type { ConnectOptions } from "../postgres/connect.ts";
import {
  type ControlDatabase,
  controlDatabaseConnection,
  ensureControlDatabase,
} from "../postgres/control-database.ts";
import { WriterPool } from "../postgres/pool.ts";
import { createBalancer, type EmbeddedBalancer } from "./balancer.ts";
import { fileLogin } from "./control-login.ts";
import {
  type OpenDataPlatform,
  openDataPlatform,
  prepareDataPlatform,
  regionControlDatabase,
  sharedServer,
} from "./data-platform.ts";
import type { EmbeddedDatabases } from "./databases.ts";
import { openDatabases } from "./databases.ts";
import { createDns } from "./dns.ts";
import { createFleets } from "./fleets.ts";
import { startHousekeeping } from "./housekeeping.ts";
import { createKeys } from "./keys.ts";
import { ProcessTable } from "./processes.ts";
import { createRegionRawStorage } from "./raw-storage.ts";
import { openRecoverySite, openReplicas } from "./recovery-site.ts";
import { regionSettings, type Settings } from "./settings.ts";
import { openRegionDatabases } from "./state-databases.ts";
import type { StateFolder } from "./state-folder.ts";
import { createWorkflows } from "./workflows.ts";

type Log = (entry: { readonly level: "info" | "warn" | "error"; readonly message: string }) => void;

export interface OpenEmbeddedRegion {
  readonly folder: StateFolder;
  readonly settings: Settings;
  readonly region: string;
  readonly internalToken: string;
  readonly log: Log;
}

/** Everything of a region, for its controller. */
export interface EmbeddedRegion {
  readonly platform: RegionPlatform;
  readonly data: OpenDataPlatform;
  readonly databases: EmbeddedDatabases;
  readonly balancer: EmbeddedBalancer;
  /** The directory's database, in the control plane. */
  readonly directoryPool: WriterPool;
  readonly directoryConnection: ConnectOptions;
  close(): Promise<void>;
}

/** The directory's server, its database and where its login is kept. */
export const directoryServer = "directory";

export function directoryDatabase(folder: StateFolder, keys: Keys): ControlDatabase {
  const database = "rowhouse_directory";
  return {
    server: directoryServer,
    database,
    login: fileLogin({ folder: folder.global, database, keys }),
  };
}

/** Starts a region's databases and balancer, or takes over those that run, and opens all its ports. */
export async function openEmbeddedRegion(options: OpenEmbeddedRegion): Promise<EmbeddedRegion> {
  const { folder, settings, region, log } = options;
  const { listeners, region: regionConfig } = regionSettings(settings, region);
  const processes = new ProcessTable(folder);
  const clock = createSystemClock();
  const keys = await createKeys({ file: join(folder.region(region), "keys.json") });
  const balancer = createBalancer({
    folder,
    region,
    host: settings.host,
    port: listeners.balancer,
    processes,
    internalToken: options.internalToken,
    log,
  });
  const databases = await openRegionDatabases(folder, settings, region, (message) =>
    log({ level: "info", message }),
  );
  const [firstZone = "a", secondZone = "b"] = regionConfig.zones;
  await Promise.all([
    balancer.start(),
    databases.create({ name: sharedServer, zones: [firstZone, secondZone], size: "shared" }),
  ]);
  databases.watch();
  await ensureControlDatabase(databases, regionControlDatabase(folder, region, keys));
  const data = await openDataPlatform({
    folder,
    settings,
    region,
    applicationName: "rowhouse-controller",
    maxConnections: 10,
  });
  await prepareDataPlatform(data.pool);
  const housekeeping = startHousekeeping(data.platform, log);
  const directory = await untilMade(clock, () => openDirectory(folder, "rowhouse-controller"));
  const integrations = createIntegrations({ config: settings.config.integrations, clock });
  const logReplicas = (message: string) => log({ level: "info", message });
  const recovery = await openRecoverySite({ folder, settings, source: region, log: logReplicas });
  const replicas = await openReplicas({ folder, settings, region, keys, databases, log: logReplicas });
  const platform: RegionPlatform = {
    ...data.platform,
    databases,
    balancer,
    workflows: createWorkflows({ connection: data.connection, name: region, clock, log }),
    fleets: createFleets({
      region,
      statePath: folder.path,
      processes,
      ports: listeners.instances,
      host: "127.0.0.1",
    }),
    integrations,
    dns: createDns({ pool: directory.pool, zone: settings.config.domain }),
    rawStorage: createRegionRawStorage(folder, region, { isOpenHere: true }),
    ...(recovery ? { recovery } : {}),
    replicas,
  };
  return {
    platform,
    data,
    databases,
    balancer,
    directoryPool: directory.pool,
    directoryConnection: directory.connection,
    close: async () => {
      await housekeeping.stop();
      await integrations.close();
      await recovery?.close();
      await replicas.stopWatching();
      await databases.stopWatching();
      await balancer.stopWatching();
      await directory.pool.end();
      await data.close();
    },
  };
}

const directoryPatienceMilliseconds = 60_000;
const directoryPollMilliseconds = 50;

/** At the very first start the supervisor makes the directory while the regions make their databases. */
async function untilMade<T>(clock: Clock, open: () => Promise<T>): Promise<T> {
  for (const deadline = clock.elapsedMilliseconds() + directoryPatienceMilliseconds; ; ) {
    try {
      return await open();
    } catch (error) {
      const isMissing = error instanceof RowhouseError && error.code === "E_NOT_RUNNING";
      if (!isMissing || clock.elapsedMilliseconds() > deadline) throw error;
    }
    await clock.sleep(directoryPollMilliseconds);
  }
}

/** Connects to the directory. @throws E_NOT_RUNNING before the supervisor has made it */
export async function openDirectory(
  folder: StateFolder,
  applicationName: string,
): Promise<{ readonly pool: WriterPool; readonly connection: ConnectOptions }> {
  const keys = await createKeys({ file: join(folder.global, "keys.json") });
  const databases = openDatabases({ folder: join(folder.global, "databases"), keys });
  const connection = await controlDatabaseConnection(
    databases,
    directoryDatabase(folder, keys),
    applicationName,
  );
  return { pool: new WriterPool({ ...connection, max: 6 }), connection };
}
