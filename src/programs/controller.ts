import { createHash } from "node:crypto";
import { join } from "node:path";
import { serve } from "@hono/node-server";
import { createRegionClient, createRegionServer } from "../api/region-rpc.ts";
import { startController } from "../control/controller.ts";
import { faultEntry } from "../core/fault-entry.ts";
import { openEmbeddedRegion } from "../embedded/platform.ts";
import { ProcessTable } from "../embedded/processes.ts";
import { ensureToken, readSettings, regionSettings } from "../embedded/settings.ts";
import { fenceRegion } from "../embedded/stacks/fence.ts";
import { StateFolder } from "../embedded/state-folder.ts";
import { killStrays } from "../embedded/sweep.ts";
import { readReleaseMigrations, unpackRelease } from "../instance/release.ts";
import { createSystemClock } from "../node/clock.ts";
import { readArguments } from "./arguments.ts";
import { untilMayServe } from "./controller/permission.ts";
import { logLine } from "./log-line.ts";
import { runUntilSignal } from "./run-until-signal.ts";

const { state, region } = readArguments("state", "region");

await runUntilSignal(async () => {
  const folder = new StateFolder(state);
  const settings = await readSettings(folder);
  const internalToken = await ensureToken(folder.internalToken);
  const processes = new ProcessTable(folder);
  const log = (message: string) => logLine({ level: "info", message });
  await untilMayServe({ folder, settings, region, processes, log });
  // What a controller before this one started, and was killed before it could write that down.
  await killStrays(folder, processes, { kinds: ["balancer", "instance"], region });
  const opened = await openEmbeddedRegion({ folder, settings, region, internalToken, log: logLine });
  const controller = await startController({
    name: region,
    config: settings.config,
    platform: opened.platform,
    pool: opened.data.pool,
    directoryPool: opened.directoryPool,
    directoryConnection: opened.directoryConnection,
    readMigrations: async (zip) => {
      const sha256 = createHash("sha256").update(zip).digest("hex");
      const unpacked = join(folder.region(region), "releases", sha256);
      await unpackRelease({ zip, sha256, folder: unpacked });
      return readReleaseMigrations(unpacked);
    },
    internalToken,
    startGraceSeconds: 30,
    reconcileMilliseconds: 200,
    tenantUrl: (slug) => `http://${slug}.localhost:${settings.basePort}`,
    peer: (name) =>
      createRegionClient({
        url: `http://127.0.0.1:${regionSettings(settings, name).listeners.controller}`,
        internalToken,
      }),
    onLost: () => {
      logLine({ level: "error", message: "the region has failed over, and serves nobody from now on" });
      void fenceRegion({ folder, processes, clock: createSystemClock() }, region, log).finally(() =>
        process.exit(1),
      );
    },
    log: logLine,
  });
  const { listeners } = regionSettings(settings, region);
  const app = createRegionServer({
    ...controller,
    internalToken,
    onFault: (error) => logLine(faultEntry(error, "request")),
  });
  const server = serve({
    fetch: app.fetch,
    hostname: "127.0.0.1",
    port: listeners.controller,
    // An archive may come in for hours.
    serverOptions: { requestTimeout: 0 },
  });
  return async () => {
    server.close();
    await controller.stop();
    await opened.close();
  };
});
