import { subscribe } from "node:diagnostics_channel";
import { appendFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { serve } from "@hono/node-server";
import { createRegionClient, createRegionServer } from "../../src/api/region-rpc.ts";
import { Directory } from "../../src/control/directory.ts";
import { migrateTenants } from "../../src/control/migration/migrate-tenants.ts";
import { runMigrations } from "../../src/control/migration/run.ts";
import type { RegionControl } from "../../src/control/region-control.ts";
import { openDatabases } from "../../src/embedded/databases.ts";
import { createKeys } from "../../src/embedded/keys.ts";
import { createSystemClock } from "../../src/node/clock.ts";
import { migrationChannel } from "../../src/postgres/migration-trace.ts";
import { type FleetPlace, openFleet } from "./migration-fleet.ts";
import { type Victim, victims } from "./migration-victims.ts";

/**
 * A process that drives one run of migrations and prints its outcome, or serves as the region's controller and prints
 * its port. At each point before and after a step that no process passed before it, it kills its victim.
 */
export interface MigrationProcessOptions extends FleetPlace {
  /** The controller's URL makes it the driver of a run. */
  readonly controllerUrl?: string;
  /** Texts of all migrations. */
  readonly migrations: readonly string[];
  readonly victim: Victim | "nobody";
  /** Where the points that were passed, and the commands that were sent, are written down. */
  readonly notes: string;
}

const options = JSON.parse(process.argv[2] ?? "") as MigrationProcessOptions;
const internalToken = "t".repeat(32);
const kill = options.victim === "nobody" ? undefined : victims(options)[options.victim];
if (kill) watchSteps(kill);

const keys = await createKeys({ file: options.keysFile });
const databases = openDatabases({ folder: options.databasesFolder, keys });
const fleet = await openFleet(options, { databases, keys, migrations: options.migrations });
if (options.controllerUrl === undefined) serveAsController();
else await drive(options.controllerUrl);

function serveAsController(): void {
  const control = {
    migrate: (command: Parameters<RegionControl["migrate"]>[0]) => migrateTenants(fleet.context, command),
    schemaTarget: async () => ({ version: options.migrations.length }),
  } as unknown as RegionControl;
  const app = createRegionServer({
    control,
    installRelease: async () => {},
    internalToken,
    onFault: () => {},
  });
  serve({ fetch: app.fetch, hostname: "127.0.0.1", port: 0 }, ({ port }) => console.log(port));
}

async function drive(url: string): Promise<void> {
  writeFileSync(join(options.notes, "run.pid"), String(process.pid));
  const client = createRegionClient({ url, internalToken });
  const region: RegionControl = {
    ...client,
    migrate: (command) => {
      const note = JSON.stringify({ run: process.pid, slugs: command.slugs });
      appendFileSync(join(options.notes, "commands"), `${note}\n`);
      return client.migrate(command);
    },
  };
  const parts = {
    directory: new Directory(fleet.directoryPool),
    regions: new Map([[fleet.region, region]]),
    clock: createSystemClock(),
  };
  const result = await runMigrations(parts, { canaries: 1, concurrency: 2, maxFailures: 10 });
  console.log(JSON.stringify(result));
  process.exit();
}

/** In the middle of a run too: what is killed at a step's first time, is killed at its third time as well. */
function watchSteps(killVictim: () => void): void {
  const times = new Map<string, number>();
  const pass = (point: string): void => {
    const time = (times.get(point) ?? 0) + 1;
    times.set(point, time);
    if (time !== 1 && time !== 3) return;
    try {
      writeFileSync(join(options.notes, `${point}.${time}`), "", { flag: "wx" });
    } catch {
      return;
    }
    killVictim();
  };
  const stepOf = (message: unknown) => (message as { step: string }).step;
  subscribe(`tracing:${migrationChannel}:start`, (message) => pass(`before ${stepOf(message)}`));
  subscribe(`tracing:${migrationChannel}:asyncEnd`, (message) => pass(`after ${stepOf(message)}`));
}
