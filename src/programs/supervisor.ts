import { readFile } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { buildRelease } from "../control/release/build.ts";
import type { StatusDocument } from "../control/status.ts";
import type { RunningSupervisor, UpOptions, UpProgress, UpSummary } from "../control/up.ts";
import { planListeners } from "../embedded/listeners.ts";
import { ProcessTable } from "../embedded/processes.ts";
import { ensureToken, loopbackOf, type Settings, writeSettings } from "../embedded/settings.ts";
import { StateFolder } from "../embedded/state-folder.ts";
import { lockState } from "../embedded/supervisor-lock.ts";
import { stopProcesses } from "../embedded/sweep.ts";
import { stopLeftovers } from "./down.ts";
import { openLogFile } from "./log-file.ts";
import type { LogEntry } from "./log-line.ts";
import { type OpenDirectory, startDirectory } from "./supervisor/directory.ts";
import { startEntrances } from "./supervisor/entrances.ts";
import { checkPorts } from "./supervisor/ports.ts";
import { regionStatusWithout, SupervisedRegion } from "./supervisor/regions.ts";

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
  const regions = await startRegions(ground, options, cleanups);
  // Both are waited for, also when one fails: what is half made could not be cleaned up.
  const [opened, built] = await Promise.allSettled([
    openTheDirectory(ground, options, cleanups),
    build(options, folder),
  ]);
  if (opened.status === "rejected") throw opened.reason;
  if (built.status === "rejected") throw built.reason;
  signal.throwIfAborted();

  const status = () => describeStatus(ground, regions);
  const { settings, internalToken, log } = ground;
  const entrances = await startEntrances({
    settings,
    internalToken,
    directory: opened.value,
    regions,
    status,
    log,
  });
  cleanups.push(() => entrances.close());
  onProgress({ at: "edge", message: `listening at ${ground.url}` });
  await Promise.all(regions.map((region) => bringUp(region, built.value, signal, onProgress)));
  return summarize(ground, await status());
}

/** What the parts of one `up` stand on. */
interface Ground {
  readonly folder: StateFolder;
  readonly settings: Settings;
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
  await checkPorts(settings, processes);
  const internalToken = await ensureToken(folder.internalToken);
  cleanups.push(() => stopLeftovers(folder, processes, options.onProgress));
  return { folder, settings, processes, internalToken, url, apiUrl, log };
}

async function startRegions(
  ground: Ground,
  options: UpOptions,
  cleanups: Cleanup[],
): Promise<SupervisedRegion[]> {
  const started = Object.entries(options.config.regions).filter(([, region]) => region.start);
  const regions = started.map(([name]) => new SupervisedRegion({ ...ground, name }));
  for (const region of regions) {
    options.onProgress({ at: "region", message: `${region.name}: starting` });
    await region.start();
    cleanups.push(() => region.stopWatching());
  }
  return regions;
}

async function openTheDirectory(
  ground: Ground,
  options: UpOptions,
  cleanups: Cleanup[],
): Promise<OpenDirectory> {
  const { folder, settings, log } = ground;
  const opened = await startDirectory(folder, settings, (message) => log({ level: "info", message }));
  cleanups.push(() => opened.close());
  options.onProgress({ at: "directory", message: "ready" });
  return opened;
}

async function describeStatus(ground: Ground, regions: readonly SupervisedRegion[]): Promise<StatusDocument> {
  const { settings, url, apiUrl } = ground;
  const statuses = Object.keys(settings.config.regions).map((name) => {
    const running = regions.find((region) => region.name === name);
    return running ? running.status() : regionStatusWithout(settings, name, "stopped", null);
  });
  return { version: settings.version, pid: process.pid, url, apiUrl, regions: await Promise.all(statuses) };
}

function summarize({ settings, folder, url, apiUrl }: Ground, status: StatusDocument): UpSummary {
  return {
    pid: process.pid,
    url,
    consoleUrl: `${url}/console`,
    apiUrl,
    dnsAddress: `${loopbackOf(settings.host)}:${planListeners(settings.basePort).dns}`,
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

interface BuiltRelease {
  readonly version: string;
  readonly sha256: string;
  readonly zip: Uint8Array;
}

async function build(options: UpOptions, folder: StateFolder): Promise<BuiltRelease> {
  const appFile = resolve(dirname(options.configFile), options.config.app);
  const { manifest, sha256, zipFile } = await buildRelease({
    appFile,
    outputFolder: `${folder.global}/releases`,
  });
  options.onProgress({ at: "release", message: `${manifest.name} ${manifest.version} built` });
  return { version: manifest.version, sha256, zip: await readFile(zipFile) };
}

async function bringUp(
  region: SupervisedRegion,
  release: BuiltRelease,
  signal: AbortSignal,
  onProgress: (event: UpProgress) => void,
): Promise<void> {
  await region.untilAnswering(signal);
  onProgress({ at: "region", message: `${region.name}: databases ready` });
  await region.ship(release);
  await region.untilReady(signal);
  onProgress({ at: "region", message: `${region.name}: ready` });
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
