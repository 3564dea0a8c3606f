import { join } from "node:path";
import { Directory } from "../../control/directory.ts";
import { IdempotencyKeys } from "../../control/idempotency-keys.ts";
import { Operators } from "../../control/operators.ts";
import { prepareControlSchema } from "../../control/schema.ts";
import type { EmbeddedDatabases } from "../../embedded/databases.ts";
import { prepareDns } from "../../embedded/dns.ts";
import { createKeys } from "../../embedded/keys.ts";
import { directoryDatabase, directoryServer, openDirectory } from "../../embedded/platform.ts";
import { ensureToken, type Settings } from "../../embedded/settings.ts";
import { openGlobalDatabases } from "../../embedded/state-databases.ts";
import type { StateFolder } from "../../embedded/state-folder.ts";
import { createSystemClock } from "../../node/clock.ts";
import type { ConnectOptions } from "../../postgres/connect.ts";
import { ensureControlDatabase } from "../../postgres/control-database.ts";
import type { WriterPool } from "../../postgres/pool.ts";

/** The control plane's own data while it is open. */
export interface OpenDirectory {
  readonly directory: Directory;
  readonly operators: Operators;
  readonly idempotencyKeys: IdempotencyKeys;
  readonly pool: WriterPool;
  readonly connection: ConnectOptions;
  readonly databases: EmbeddedDatabases;
  close(): Promise<void>;
}

/** Starts the directory's pair, or takes it over, and brings its tables up to date. */
export async function startDirectory(
  folder: StateFolder,
  settings: Settings,
  log: (message: string) => void,
): Promise<OpenDirectory> {
  const keys = await createKeys({ file: join(folder.global, "keys.json") });
  const databases = await openGlobalDatabases(folder, settings, log);
  await databases.create({ name: directoryServer, zones: ["a", "b"], size: "shared" });
  databases.watch();
  await ensureControlDatabase(databases, directoryDatabase(folder, keys));
  const { pool, connection } = await openDirectory(folder, "rowhouse supervisor");
  await prepareControlSchema(pool, "directory");
  await prepareDns(pool);
  const operators = new Operators({ directory: pool, clock: createSystemClock() });
  await operators.put("first", await ensureToken(folder.operatorToken));
  return {
    directory: new Directory(pool),
    operators,
    idempotencyKeys: new IdempotencyKeys(pool),
    pool,
    connection,
    databases,
    close: async () => {
      await pool.end();
      await databases.stopWatching();
    },
  };
}
