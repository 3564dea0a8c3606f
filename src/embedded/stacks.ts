import { existsSync } from "node:fs";
import { readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { fault, toRowhouseError } from "../core/error.ts";
import type { Clock } from "../ports/clock.ts";
import type { RegionStack, StackDrift, StackPlan, StackProgress, Stacks } from "../ports/stacks.ts";
import { checkRegionPorts } from "./fixed-ports.ts";
import { killStrays } from "./postgres/strays.ts";
import type { ProcessTable } from "./processes.ts";
import { regionSettings, type Settings } from "./settings.ts";
import { Controllers } from "./stacks/controllers.ts";
import { missingProcesses, toDrift } from "./stacks/expected.ts";
import { dataFolders } from "./stacks/fence.ts";
import { StackRecords } from "./stacks/records.ts";
import type { StateFolder } from "./state-folder.ts";
import { killUnrecorded, stopProcesses } from "./sweep.ts";

export interface StacksParts {
  readonly folder: StateFolder;
  readonly processes: ProcessTable;
  readonly clock: Clock;
  /** As they are now: a region may be added to them while the system runs. */
  readonly settings: () => Settings;
  /** Gives the controller of a region that was started what it needs, and resolves when the region serves. */
  readonly untilReady: (region: string, onProgress: StackProgress, signal: AbortSignal) => Promise<void>;
}

/** Regions as processes of this machine. */
export interface EmbeddedStacks extends Stacks {
  /** The regions that should run: those that the config starts and that were made, without those that were deleted. */
  wanted(): Promise<readonly string[]>;
  /** Starts the controller of a region that should run, or takes it over, and looks after it from now on. */
  start(region: string): Promise<void>;
  /** Resolves when a region that should run serves. @throws E_REGION_UNAVAILABLE */
  bringUp(region: string, onProgress: StackProgress, signal: AbortSignal): Promise<void>;
  /** Looks after a region's controller no longer; it runs on. */
  release(region: string): Promise<void>;
  /** Looks after no controller any longer; all run on. What is being made is left for the next supervisor to finish. */
  stopWatching(): Promise<void>;
}

/** For the one supervisor of a state folder. */
export function createStacks(parts: StacksParts): EmbeddedStacks {
  return new ProcessStacks(parts);
}

class ProcessStacks implements EmbeddedStacks {
  readonly #parts: StacksParts;
  readonly #records: StackRecords;
  readonly #controllers: Controllers;
  readonly #stopping = new AbortController();
  /** Those that came up under this object's eyes. */
  readonly #ready = new Set<string>();
  /** The last operation of each region: one at a time. */
  readonly #last = new Map<string, Promise<unknown>>();

  constructor(parts: StacksParts) {
    this.#parts = parts;
    this.#records = new StackRecords(parts.folder);
    this.#controllers = new Controllers(parts.folder, parts.processes);
  }

  async list(): Promise<readonly RegionStack[]> {
    const names = new Set([...Object.keys(this.#regions()), ...(await this.#records.read()).keys()]);
    const all = await Promise.all([...names].toSorted().map((name) => this.describe(name)));
    return all.filter(({ status }) => status !== "absent");
  }

  async describe(region: string): Promise<RegionStack> {
    const record = (await this.#records.read()).get(region);
    const status = record?.status ?? this.#statusByConfig(region);
    const drift = status === "ready" ? await this.drift(region) : null;
    return { region, status, problem: record?.problem ?? null, drift };
  }

  async plan(region: string): Promise<StackPlan> {
    regionSettings(this.#parts.settings(), region);
    await this.#last.get(region)?.catch(() => {});
    const { status } = await this.describe(region);
    const missing = await missingProcesses(this.#view(), region);
    return {
      id: `${region} ${status}`,
      region,
      changes: missing.map(({ id, type }) => ({ action: "add", id, type, replacement: "no" })),
    };
  }

  apply({ id, region, changes }: StackPlan, onProgress: StackProgress): Promise<void> {
    return this.#oneAtATime(region, async () => {
      const { status } = await this.describe(region);
      if (id !== `${region} ${status}`)
        throw fault("E_CONFLICT", `The region ${region} is ${status} meanwhile.`);
      if (changes.length === 0 && status === "ready") return;
      if (status === "deleting") throw fault("E_CONFLICT", `The region ${region} is being deleted.`);
      this.#stopping.signal.throwIfAborted();
      if (status !== "ready") await this.#records.put(region, "creating");
      try {
        await checkRegionPorts(this.#parts.settings(), this.#parts.processes, region);
        await this.start(region);
        onProgress(`the controller of ${region} started`);
        await this.bringUp(region, onProgress, this.#stopping.signal);
        if (this.#regions()[region]?.start) await this.#records.remove(region);
        else await this.#records.put(region, "ready");
      } catch (error) {
        // Stopped in order: whoever starts next finishes it.
        if (this.#stopping.signal.aborted) throw error;
        if (status !== "ready") await this.#fail(region, error);
        throw error;
      }
    });
  }

  delete(region: string, onProgress: StackProgress): Promise<void> {
    return this.#oneAtATime(region, async () => {
      const { folder } = this.#parts;
      const { status } = await this.describe(region);
      // One that the config started once and no longer does has left its folder.
      if (status === "absent" && !existsSync(folder.region(region))) return;
      await this.#records.put(region, "deleting");
      this.#ready.delete(region);
      await this.#stop(region, onProgress);
      await this.#removeFiles(region);
      onProgress(`the data of ${region} removed`);
      if (this.#regions()[region]?.start) await this.#records.put(region, "absent");
      else await this.#records.remove(region);
    });
  }

  async drift(region: string): Promise<readonly StackDrift[]> {
    const status = (await this.#records.read()).get(region)?.status ?? this.#statusByConfig(region);
    const isThere = status !== "absent" && status !== "deleting";
    if (!isThere || !this.#regions()[region]) return [];
    return (await missingProcesses(this.#view(), region)).map(toDrift);
  }

  async wanted(): Promise<readonly string[]> {
    const records = await this.#records.read();
    return Object.entries(this.#regions()).flatMap(([name, { start }]) => {
      const record = records.get(name);
      return (record ? record.status === "ready" : start) ? [name] : [];
    });
  }

  start(region: string): Promise<void> {
    return this.#controllers.start(region);
  }

  release(region: string): Promise<void> {
    return this.#controllers.release(region);
  }

  async bringUp(region: string, onProgress: StackProgress, signal: AbortSignal): Promise<void> {
    await this.#parts.untilReady(region, onProgress, signal);
    this.#ready.add(region);
  }

  async stopWatching(): Promise<void> {
    this.#stopping.abort(fault("E_NOT_RUNNING", "Rowhouse is stopping."));
    await Promise.allSettled(this.#last.values());
    await this.#controllers.release();
  }

  /** Of a region without a record: only `up` starts one. */
  #statusByConfig(region: string): RegionStack["status"] {
    if (this.#ready.has(region)) return "ready";
    return this.#controllers.has(region) ? "creating" : "absent";
  }

  #regions(): Settings["config"]["regions"] {
    return this.#parts.settings().config.regions;
  }

  #view() {
    const { folder, processes, settings } = this.#parts;
    return { folder, processes, settings: settings() };
  }

  /** Nothing of it runs on; what it has stored stays for the next try, or goes with `delete`. */
  async #fail(region: string, error: unknown): Promise<void> {
    await this.#stop(region, () => {});
    await this.#records.put(region, "failed", toRowhouseError(error).message);
  }

  async #stop(region: string, onProgress: StackProgress): Promise<void> {
    const { folder, processes, clock } = this.#parts;
    await this.#controllers.release(region);
    await stopProcesses(processes, ({ name }) => onProgress(`stopping ${name}`), region);
    // What the controller had started and not yet recorded when it ended.
    await killUnrecorded(folder, region);
    const nodes = (await processes.list("postgres")).filter(({ name }) => name.startsWith(`${region}.`));
    await Promise.all(
      nodes.map(({ name }) => {
        onProgress(`stopping ${name}`);
        return processes.terminate(name, { signal: "SIGINT" });
      }),
    );
    for (const dataFolder of await dataFolders(join(folder.region(region), "databases")))
      await killStrays(dataFolder, clock);
  }

  /** Its logs go too: they may say who its tenants were. */
  async #removeFiles(region: string): Promise<void> {
    const { folder } = this.#parts;
    // A process that was just killed may still write for a moment.
    const always = { recursive: true, force: true, maxRetries: 10, retryDelay: 50 } as const;
    await rm(folder.region(region), always);
    for (const place of [folder.logs, folder.processes]) {
      const names = await readdir(place);
      const own = names.filter((name) => name.startsWith(`${region}.`));
      await Promise.all(own.map((name) => rm(join(place, name), always)));
    }
  }

  #oneAtATime(region: string, work: () => Promise<void>): Promise<void> {
    const before = this.#last.get(region) ?? Promise.resolve();
    const working = before.catch(() => {}).then(work);
    this.#last.set(region, working);
    working.catch(() => {});
    return working;
  }
}
