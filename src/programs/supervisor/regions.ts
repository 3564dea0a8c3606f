import { setTimeout as sleep } from "node:timers/promises";
import {
  createRegionClient,
  type RegionAddress,
  type ReleasePackage,
  shipRelease,
} from "../../api/region-rpc.ts";
import type { RegionControl, RegionStatus } from "../../control/region-control.ts";
import { fault, RowhouseError } from "../../core/error.ts";
import type { ProcessRecord, ProcessTable } from "../../embedded/processes.ts";
import { loopbackOf, regionSettings, type Settings } from "../../embedded/settings.ts";

const pollMilliseconds = 50;
const readyTimeoutMilliseconds = 120_000;
/** Instances that don't come up for so long won't. */
const troubleMilliseconds = 10_000;

/** One region as the supervisor sees it: its controller's RPC, and what can be told without. */
export class SupervisedRegion {
  readonly name: string;
  readonly control: RegionControl;
  readonly #parts: { readonly settings: Settings; readonly processes: ProcessTable };
  readonly #address: RegionAddress;

  constructor(parts: {
    readonly name: string;
    readonly settings: Settings;
    readonly processes: ProcessTable;
    readonly internalToken: string;
  }) {
    this.name = parts.name;
    this.#parts = parts;
    const { listeners } = regionSettings(parts.settings, parts.name);
    this.#address = { url: `http://127.0.0.1:${listeners.controller}`, internalToken: parts.internalToken };
    this.control = createRegionClient(this.#address);
  }

  /** Resolves when the controller answers. @throws E_REGION_UNAVAILABLE */
  async untilAnswering(signal: AbortSignal): Promise<void> {
    await this.#until(signal, async () => (await this.control.status()).status !== "fenced");
  }

  /** Resolves when all instances are healthy and all databases available. @throws E_REGION_UNAVAILABLE */
  async untilReady(signal: AbortSignal): Promise<void> {
    let troubledSince: number | undefined;
    let problem: string | null = null;
    await this.#until(signal, async () => {
      const answer = await this.control.status();
      problem = answer.problem;
      troubledSince = problem === null ? undefined : (troubledSince ?? performance.now());
      const isHopeless =
        troubledSince !== undefined && performance.now() - troubledSince > troubleMilliseconds;
      return answer.status === "ready" || isHopeless;
    });
    if (problem === null) return;
    throw fault("E_REGION_UNAVAILABLE", `The instances of ${this.name} don't start: ${problem}`, {
      remedy: "Correct that and run `rowhouse up` again; `rowhouse logs` has more.",
    });
  }

  ship(release: ReleasePackage): Promise<void> {
    return shipRelease(this.#address, release);
  }

  /** The controller's own word, or that it is down. */
  async status(): Promise<RegionStatus> {
    try {
      return await this.control.status();
    } catch (error) {
      if (!(error instanceof RowhouseError)) throw error;
      return this.statusWhile("down", await this.#parts.processes.find(`${this.name}.controller`));
    }
  }

  /** What can be said of a region without its controller. */
  statusWhile(status: "down" | "stopped", controller?: ProcessRecord): RegionStatus {
    return regionStatusWithout(this.#parts.settings, this.name, status, controller?.pid ?? null);
  }

  async #until(signal: AbortSignal, holds: () => Promise<boolean>): Promise<void> {
    let reason: unknown;
    for (const deadline = performance.now() + readyTimeoutMilliseconds; performance.now() < deadline; ) {
      signal.throwIfAborted();
      try {
        if (await holds()) return;
      } catch (error) {
        reason = error;
      }
      await sleep(pollMilliseconds);
    }
    throw fault("E_REGION_UNAVAILABLE", `The region ${this.name} did not become ready in time.`, {
      cause: reason,
      remedy: "`rowhouse logs` shows why.",
    });
  }
}

/** The status of a region that nobody answers for. */
export function regionStatusWithout(
  settings: Settings,
  name: string,
  status: "down" | "stopped" | "fenced",
  controllerPid: number | null,
): RegionStatus {
  const { region, listeners } = regionSettings(settings, name);
  return {
    name,
    jurisdiction: region.jurisdiction,
    status,
    problem: null,
    controller: { pid: controllerPid },
    balancer: { url: `http://${loopbackOf(settings.host)}:${listeners.balancer}`, pid: null },
    databases: [],
    fleets: [],
  };
}
