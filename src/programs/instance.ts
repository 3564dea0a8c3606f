import { openDataPlatform } from "../embedded/data-platform.ts";
import { ensureToken, readSettings, regionSettings } from "../embedded/settings.ts";
import { StateFolder } from "../embedded/state-folder.ts";
import { bootstrap } from "../instance/bootstrap.ts";
import { readArguments } from "./arguments.ts";
import { runUntilSignal } from "./run-until-signal.ts";

const { state, region, instance, listen } = readArguments("state", "region", "instance", "listen");

await runUntilSignal(async () => {
  const folder = new StateFolder(state);
  const settings = await readSettings(folder);
  const data = await openDataPlatform({
    folder,
    settings,
    region,
    applicationName: `rowhouse ${instance}`,
    maxConnections: 4,
  });
  const [host = "127.0.0.1", port = "0"] = listen.split(/:(?=\d+$)/);
  const running = await bootstrap({
    platform: data.platform,
    regionPool: data.pool,
    regionConnection: data.connection,
    objectsHandler: data.objectsHandler,
    balancerUrl: (name) => `http://127.0.0.1:${regionSettings(settings, name).listeners.balancer}`,
    config: settings.config,
    internalToken: await ensureToken(folder.internalToken),
    instanceId: instance,
    listen: { host, port: Number(port) },
    folder: `${folder.region(region)}/instances/${instance}`,
  });
  return async () => {
    await running.stop();
    await data.close();
  };
});
