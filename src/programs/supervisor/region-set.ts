import type { ReleasePackage } from "../../api/region-rpc.ts";
import type { RegionControl, RegionStatus } from "../../control/region-control.ts";
import type { ProcessTable } from "../../embedded/processes.ts";
import { createStacks, type EmbeddedStacks } from "../../embedded/stacks.ts";
import type { StateFolder } from "../../embedded/state-folder.ts";
import { createSystemClock } from "../../node/clock.ts";
import type { LiveSettings } from "./live-settings.ts";
import { regionStatusWithout, SupervisedRegion } from "./regions.ts";

export interface RegionSetParts {
  readonly folder: StateFolder;
  readonly settings: LiveSettings;
  readonly processes: ProcessTable;
  readonly internalToken: string;
  /** What new regions run; resolves once it is built. */
  readonly release: Promise<ReleasePackage>;
}

/** The regions of a supervisor: those that run, and the engine that makes and removes them. */
export class RegionSet {
  /** Those that have failed over. */
  readonly fenced = new Set<string>();
  /** How to reach those that may be used. */
  readonly controls = new Map<string, RegionControl>();
  readonly stacks: EmbeddedStacks;
  readonly #parts: RegionSetParts;
  readonly #regions = new Map<string, SupervisedRegion>();

  constructor(parts: RegionSetParts) {
    this.#parts = parts;
    const { folder, processes, settings } = parts;
    this.stacks = createStacks({
      folder,
      processes,
      clock: createSystemClock(),
      settings: () => settings.current,
      untilReady: async (name, onProgress, signal) => {
        const region = this.#region(name);
        await region.untilAnswering(signal);
        onProgress(`${name}: databases ready`);
        await region.ship(await parts.release);
        await region.untilReady(signal);
        onProgress(`${name}: ready`);
      },
    });
  }

  /** Starts a region that should run, or takes it over. */
  async start(name: string): Promise<void> {
    await this.stacks.start(name);
    this.open(name);
  }

  /** How to reach a region's controller, whether it may be used or not. */
  control(name: string): RegionControl {
    return this.#region(name).control;
  }

  /** Resolves when the region's controller answers and has the release. @throws E_REGION_UNAVAILABLE */
  async prepare(name: string, signal: AbortSignal): Promise<void> {
    const region = this.#region(name);
    await region.untilAnswering(signal);
    await region.ship(await this.#parts.release);
  }

  /** Lets the region be used. */
  open(name: string): void {
    this.fenced.delete(name);
    this.controls.set(name, this.#region(name).control);
  }

  /** The region must not be used any more. */
  close(name: string): void {
    this.controls.delete(name);
    this.#regions.delete(name);
  }

  /** The region has failed over. */
  fenceOff(name: string): void {
    this.close(name);
    this.fenced.add(name);
  }

  /** Of every region of the config, in its order. */
  async status(): Promise<RegionStatus[]> {
    const { current } = this.#parts.settings;
    return Promise.all(
      Object.keys(current.config.regions).map(
        (name) =>
          (this.fenced.has(name) ? undefined : this.#regions.get(name)?.status()) ??
          regionStatusWithout(current, name, this.fenced.has(name) ? "fenced" : "stopped", null),
      ),
    );
  }

  #region(name: string): SupervisedRegion {
    const { processes, internalToken, settings } = this.#parts;
    const known = this.#regions.get(name);
    if (known) return known;
    const region = new SupervisedRegion({ name, processes, internalToken, settings: settings.current });
    this.#regions.set(name, region);
    return region;
  }
}
