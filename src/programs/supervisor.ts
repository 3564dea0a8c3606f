import { readFile } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import type { ReleasePackage } from "../api/region-rpc.ts";
import type { Recoveries } from "../control/recovery/recoveries.ts";
import { Regions } from "../control/regions/regions.ts";
import { buildRelease } from "../control/release/build.ts";
import type { StatusDocument } from "../control/status.ts";
import type { RunningSupervisor, UpOptions, UpSummary } from "../control/up.ts";
import { toRowhouseError } from "../core/error.ts";
import { createDns } from "../embedded/dns.ts";
import { checkPorts } from "../embedded/fixed-ports.ts";
import { planListeners } from "../embedded/listeners.ts";
import { ProcessTable } from "../embedded/processes.ts";
import { ensureToken, loopbackOf, type Settings, writeSettings } from "../embedded/settings.ts";
import { StateFolder } from "../embedded/state-folder.ts";
import { lockState } from "../embedded/supervisor-lock.ts";
import { killStrays, stopProcesses } from "../embedded/sweep.ts";
import { stopLeftovers } from "./down.ts";
import { openLogFile } from "./log-file.ts";
import type { LogEntry } from "./log-line.ts";
import { type OpenDirectory, startDirectory } from "./supervisor/directory.ts";
import { startEntrances } from "./supervisor/entrances.ts";
import { LiveSettings } from "./supervisor/live-settings.ts";
import { migrateAtStart } from "./supervisor/migrations.ts";
import { superviseRecoveries } from "./supervisor/recoveries.ts";
import { RegionSet } from "./supervisor/region-set.ts";
import { checkStateResidency } from "./supervisor/residency.ts";

/** What must be undone at the end, newest first. */
type Cleanup = () => Promise<void>;

/**
 * Brings the whole system up on one machine, or takes over what a killed supervisor left running.
 * @throws E_STATE_LOCKED, E_PORT_IN_USE, E_RELEASE_BUILD and whatever else keeps it from starting
 */
export async function startSupervisor(options: UpOptions): Promise<RunningSupervisor> {
  const folder = new StateFolder(options.stateDirectory);
  const cleanups: Cleanup[] = [];
  let stopping: Promise<void> | undefined;
  const ended = Promise.withResolvers<void>();
  const stop = (): Promise<void> => {
    stopping ??= runCleanups(cleanups).then(ended.resolve, ended.reject);
    return stopping;
  };
  try {
    const summary = await start(options, folder, cleanups);
    return { summary, stopped: ended.promise, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

async function start(options: UpOptions, folder: StateFolder, cleanups: Cleanup[]): Promise<UpSummary> {
  const { onProgress, signal } = options;
  const ground = await takeState(options, folder, cleanups);
  const building = build(options, folder);
  building.catch(() => {});
  const regions = new RegionSet({ ...ground, release: building });
  cleanups.push(() => regions.stacks.stopWatching());
  // A region that is just being made need not be waited for: the next `up` goes on with it.
  signal.addEventListener("abort", () => void regions.stacks.stopWatching(), { once: true });
  const wanted = await startRegions(ground, regions, options);
  // Both are waited for, also when one fails: what is half made could not be cleaned up.
  const [opened, built] = await Promise.allSettled([openTheDirectory(ground, options, cleanups), building]);
  if (opened.status === "rejected") throw opened.reason;
  if (built.status === "rejected") throw built.reason;
  signal.throwIfAborted();

  const status = () => describeStatus(ground, regions);
  const { settings, internalToken, log } = ground;
  const recoveries = superviseRecoveries({ ...ground, regions, directoryPool: opened.value.pool });
  const lost = await recoveries.lost();
  for (const { region } of lost) regions.fenceOff(region);
  const administration = administerRegions(ground, regions, opened.value, recoveries);
  const entrances = await startEntrances({
    settings,
    internalToken,
    directory: opened.value,
    regions: regions.controls,
    regionStacks: administration,
    fenced: regions.fenced,
    recoveries,
    checkResidency: (query) =>
      checkStateResidency(
        { folder: ground.folder, settings, regions: regions.controls, opened: opened.value },
        query,
      ),
    status,
    log,
  });
  cleanups.push(() => entrances.close());
  onProgress({ at: "edge", message: `listening at ${ground.url}` });
  const onRegion = (message: string) => onProgress({ at: "region", message });
  const usable = wanted.filter((name) => !regions.fenced.has(name));
  await Promise.all(usable.map((name) => regions.stacks.bringUp(name, onRegion, signal)));
  await administration.resume(onRegion, (name, error) =>
    onRegion(`${name}: ${toRowhouseError(error).message}`),
  );
  await recoveries.resume((name, error) => onRegion(`${name}: ${toRowhouseError(error).message}`));
  signal.throwIfAborted();
  const { directory } = opened.value;
  await migrateAtStart({ directory, regions: regions.controls }, (message) =>
    onProgress({ at: "release", message }),
  );
  return summarize(ground, await status());
}

/** What the parts of one `up` stand on. */
interface Ground {
  readonly folder: StateFolder;
  readonly settings: LiveSettings;
  readonly processes: ProcessTable;
  readonly internalToken: string;
  readonly url: string;
  readonly apiUrl: string;
  readonly log: (entry: LogEntry) => void;
}

/** Makes the state folder this supervisor's own. @throws E_STATE_LOCKED, E_PORT_IN_USE */
async function takeState(options: UpOptions, folder: StateFolder, cleanups: Cleanup[]): Promise<Ground> {
  const { config, basePort, host } = options;
  await folder.create();
  const plan = planListeners(basePort);
  const visibleHost = loopbackOf(host) === "127.0.0.1" ? "localhost" : loopbackOf(host);
  const url = `http://${visibleHost}:${plan.edge}`;
  const apiUrl = `http://${visibleHost}:${plan.api}`;
  const lock = await lockState(folder, { url, apiUrl, basePort });
  cleanups.push(() => lock.release());

  const { log, close } = openLogFile(join(folder.logs, "supervisor.log"));
  cleanups.push(close);
  const settings: Settings = { version: await packageVersion(), config, basePort, host };
  const processes = new ProcessTable(folder);
  // What an earlier supervisor left running works by its settings, and is only taken over when they are the same.
  if ((await writeSettings(folder, settings)).changed) await stopProcesses(processes);
  // A supervisor that was killed between a start and its record left a controller that nobody knows.
  await killStrays(folder, processes, { kinds: ["controller"] });
  const internalToken = await ensureToken(folder.internalToken);
  cleanups.push(() => stopLeftovers(folder, processes, options.onProgress));
  const live = new LiveSettings({ folder, settings, readConfig: options.readConfig });
  return { folder, settings: live, processes, internalToken, url, apiUrl, log };
}

/** @throws E_PORT_IN_USE before anything is started */
async function startRegions(
  ground: Ground,
  regions: RegionSet,
  options: UpOptions,
): Promise<readonly string[]> {
  const wanted = await regions.stacks.wanted();
  await checkPorts(ground.settings.current, ground.processes, wanted);
  for (const name of wanted) {
    options.onProgress({ at: "region", message: `${name}: starting` });
    await regions.start(name);
  }
  return wanted;
}

function administerRegions(
  ground: Ground,
  regions: RegionSet,
  { directory, pool }: OpenDirectory,
  recoveries: Recoveries,
): Regions {
  const { settings } = ground;
  return new Regions({
    stacks: regions.stacks,
    directory,
    dns: createDns({ pool, zone: settings.current.config.domain }),
    config: () => settings.current.config,
    declare: (name) => settings.declare(name),
    lost: async () =>
      new Map((await recoveries.lost()).map(({ region, successor }) => [region, successor ?? ""])),
    onReady: (name) => regions.open(name),
    onLeaving: (name) => regions.close(name),
  });
}

async function openTheDirectory(
  ground: Ground,
  options: UpOptions,
  cleanups: Cleanup[],
): Promise<OpenDirectory> {
  const { folder, settings, log } = ground;
  const opened = await startDirectory(folder, settings.current, (message) => log({ level: "info", message }));
  cleanups.push(() => opened.close());
  options.onProgress({ at: "directory", message: "ready" });
  return opened;
}

async function describeStatus(ground: Ground, regions: RegionSet): Promise<StatusDocument> {
  const { settings, url, apiUrl } = ground;
  const { version } = settings.current;
  return { version, pid: process.pid, url, apiUrl, regions: await regions.status() };
}

function summarize({ settings, folder, url, apiUrl }: Ground, status: StatusDocument): UpSummary {
  const { host, basePort } = settings.current;
  return {
    pid: process.pid,
    url,
    consoleUrl: `${url}/console`,
    apiUrl,
    dnsAddress: `${loopbackOf(host)}:${planListeners(basePort).dns}`,
    stateDirectory: folder.path,
    regions: status.regions
      .filter((region) => region.status !== "stopped")
      .map(({ name, jurisdiction, status: state, balancer }) => ({
        name,
        jurisdiction,
        status: state,
        balancerUrl: balancer.url,
      })),
  };
}

async function build(options: UpOptions, folder: StateFolder): Promise<ReleasePackage> {
  const appFile = resolve(dirname(options.configFile), options.config.app);
  const { manifest, sha256, zipFile } = await buildRelease({
    appFile,
    outputFolder: `${folder.global}/releases`,
  });
  options.onProgress({ at: "release", message: `${manifest.name} ${manifest.version} built` });
  return { version: manifest.version, sha256, zip: await readFile(zipFile) };
}

/** Every part gets its end, whatever an earlier one threw; the first fault is told. */
async function runCleanups(cleanups: Cleanup[]): Promise<void> {
  const faults: unknown[] = [];
  for (const cleanup of cleanups.toReversed()) await cleanup().catch((error: unknown) => faults.push(error));
  if (faults.length > 0) throw faults[0];
}

async function packageVersion(): Promise<string> {
  const text = await readFile(new URL("../../package.json", import.meta.url), "utf8");
  return (JSON.parse(text) as { version: string }).version;
}
