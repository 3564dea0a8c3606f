import { flushCompileCache } from "node:module";
import { join } from "node:path";
import { startBalancerServer } from "../embedded/balancer/server.ts";
import { ensureToken, readSettings, regionSettings } from "../embedded/settings.ts";
import { StateFolder } from "../embedded/state-folder.ts";
import { createSystemClock, createSystemRandom } from "../node/clock.ts";
import { readArguments } from "./arguments.ts";
import { logLine } from "./log-line.ts";
import { runUntilSignal } from "./run-until-signal.ts";

const { state, region } = readArguments("state", "region");

await runUntilSignal(async () => {
  const folder = new StateFolder(state);
  const settings = await readSettings(folder);
  const server = await startBalancerServer({
    host: settings.host,
    port: regionSettings(settings, region).listeners.balancer,
    file: join(folder.region(region), "balancer", "targets.json"),
    internalToken: await ensureToken(folder.internalToken),
    clock: createSystemClock(),
    random: createSystemRandom(),
    log: logLine,
  });
  // Node writes the cache at its end, which a killed process does not see; its successor is to start fast.
  flushCompileCache();
  return () => server.stop();
});
