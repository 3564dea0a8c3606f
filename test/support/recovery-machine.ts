import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createDatabases, type EmbeddedDatabases } from "../../src/embedded/databases.ts";
import { createKeys } from "../../src/embedded/keys.ts";
import { planListeners } from "../../src/embedded/listeners.ts";
import { ProcessTable } from "../../src/embedded/processes.ts";
import { createReplicas, type EmbeddedReplicas } from "../../src/embedded/replicas.ts";
import { StateFolder } from "../../src/embedded/state-folder.ts";
import { createSystemClock } from "../../src/node/clock.ts";
import { freeBasePort } from "./base-port.ts";

/** One region's engines on a machine that two regions share. */
export interface RecoveryMachine {
  readonly state: StateFolder;
  readonly processes: ProcessTable;
  readonly source: EmbeddedDatabases;
  /** Of the recovery region. */
  readonly databases: EmbeddedDatabases;
  /** As the source's controller has them: it makes and watches them. */
  readonly replicas: EmbeddedReplicas;
  /** As the recovery region's controller has them: it promotes them. */
  readonly promoter: EmbeddedReplicas;
  readonly said: string[];
  /** Nobody looks after the source any more, and all its processes are dead. */
  loseSource(): Promise<void>;
  dispose(): Promise<void>;
}

export const recoverySource = "eu-west-1";
const recovery = "eu-central-1";

/** Two regions with their own keys and ports, and nothing in them yet. */
export async function createRecoveryMachine(): Promise<RecoveryMachine> {
  const state = new StateFolder(await mkdtemp(join(tmpdir(), "rowhouse-recovery-")));
  await state.create();
  const processes = new ProcessTable(state);
  const plan = planListeners(await freeBasePort());
  const clock = createSystemClock();
  const said: string[] = [];
  const log = (message: string) => said.push(message);
  const keysOf = (region: string) => createKeys({ file: join(state.region(region), "keys.json") });
  const databasesOf = async (region: string, index: number) =>
    createDatabases({
      folder: join(state.region(region), "databases"),
      namePrefix: region,
      processes,
      logs: state.logs,
      keys: await keysOf(region),
      clock,
      host: "127.0.0.1",
      ports: { shared: plan.region(index).databases, dedicated: plan.region(index).dedicatedDatabases },
      log,
    });
  const replicasOf = async (databases?: EmbeddedDatabases) =>
    createReplicas({
      folder: join(state.region(recovery), "replicas"),
      databasesFolder: join(state.region(recovery), "databases"),
      region: recovery,
      processes,
      logs: state.logs,
      keys: await keysOf(recovery),
      clock,
      ports: plan.region(1).replicas,
      source: async (region) => ({
        folder: join(state.region(region), "databases"),
        keys: await keysOf(region),
      }),
      log,
      ...(databases ? { databases } : {}),
    });
  const [source, databases] = await Promise.all([databasesOf(recoverySource, 0), databasesOf(recovery, 1)]);
  const [replicas, promoter] = await Promise.all([replicasOf(), replicasOf(databases)]);
  source.watch();
  databases.watch();
  replicas.watch(recoverySource);
  return {
    state,
    processes,
    source,
    databases,
    replicas,
    promoter,
    said,
    loseSource: async () => {
      await replicas.stopWatching();
      await source.stopWatching();
      const own = (await processes.list("postgres")).filter(({ name }) =>
        name.startsWith(`${recoverySource}.`),
      );
      for (const { name } of own) await processes.terminate(name, { signal: "SIGKILL" });
    },
    dispose: async () => {
      for (const watcher of [replicas, promoter, source, databases]) await watcher.stopWatching();
      for (const { name } of await processes.list()) await processes.terminate(name, { signal: "SIGQUIT" });
      await rm(state.path, { recursive: true, force: true, maxRetries: 10 });
    },
  };
}
