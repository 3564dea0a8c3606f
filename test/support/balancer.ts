import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseConfig } from "../../src/core/config/parse.ts";
import { createBalancer, type EmbeddedBalancer } from "../../src/embedded/balancer.ts";
import { planListeners } from "../../src/embedded/listeners.ts";
import { ProcessTable } from "../../src/embedded/processes.ts";
import { ensureToken, writeSettings } from "../../src/embedded/settings.ts";
import { StateFolder } from "../../src/embedded/state-folder.ts";
import { freePort } from "./postgres-server.ts";

export interface TestBalancer {
  readonly folder: StateFolder;
  readonly processes: ProcessTable;
  readonly internalToken: string;
  readonly balancer: EmbeddedBalancer;
  readonly port: number;
  readonly url: string;
  /** Another engine for the same process, as the next controller would make it. */
  again(): EmbeddedBalancer;
  dispose(): Promise<void>;
}

const region = "test-1";

/** A real balancer process on a state folder of its own. */
export async function startTestBalancer(): Promise<TestBalancer> {
  const folder = new StateFolder(await mkdtemp(join(tmpdir(), "rowhouse-balancer-")));
  await folder.create();
  // The plan puts the first region's balancer ten above the base.
  const basePort = (await freePort()) - (planListeners(0).region(0).balancer - planListeners(0).edge);
  const config = parseConfig({
    app: "./app.ts",
    domain: "bookshop.example",
    regions: { [region]: { jurisdiction: "EU", zones: ["a", "b"] } },
    plans: { starter: { isolation: "schema" } },
  });
  await writeSettings(folder, { version: "0.0.0", config, basePort, host: "127.0.0.1" });
  const internalToken = await ensureToken(folder.internalToken);
  const processes = new ProcessTable(folder);
  const port = planListeners(basePort).region(0).balancer;
  const engines: EmbeddedBalancer[] = [];
  const again = () => {
    const options = { folder, region, host: "127.0.0.1", port, processes, internalToken, log: () => {} };
    const engine = createBalancer(options);
    engines.push(engine);
    return engine;
  };
  const balancer = again();
  await balancer.start();
  return {
    ...{ folder, processes, internalToken, balancer, port, again },
    url: `http://127.0.0.1:${port}`,
    dispose: async () => {
      await Promise.all(engines.map((engine) => engine.stopWatching()));
      await processes.terminate(`${region}.balancer`, { signal: "SIGKILL" });
      await rm(folder.path, { recursive: true, force: true });
    },
  };
}
