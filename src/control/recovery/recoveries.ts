import type { Config } from "../../core/config/schema.ts";
import { fault } from "../../core/error.ts";
import type { FailBackStep, FailOverStep } from "../../core/recovery/steps.ts";
import type { Clock } from "../../ports/clock.ts";
import type { StackProgress } from "../../ports/stacks.ts";
import type { RegionControl } from "../region-control.ts";
import { RegionOperation } from "../regions/operation.ts";
import { unknownRegion } from "../regions/regions.ts";
import { failBack } from "./fail-back.ts";
import { failOver } from "./fail-over.ts";
import type { FailBackOutcome, FailOverOutcome } from "./outcome.ts";
import { mayServe, type RegionState, type RegionStates } from "./region-states.ts";

/** What a failover needs of the control plane and of the engine behind the regions. */
export interface RecoveryParts {
  readonly states: RegionStates;
  readonly clock: Clock;
  /** As it is now. */
  readonly config: () => Config;
  /** How to reach a region's controller, whether it may be used by others or not. */
  readonly control: (region: string) => RegionControl;
  /**
   * Ends all that lives of a region, at once and for certain; nobody starts it again until {@link start}. Says whether
   * something lived that could acknowledge writes.
   */
  readonly fence: (region: string, onProgress: StackProgress) => Promise<{ readonly wasAlive: boolean }>;
  /** Makes sure that the region's controller runs; resolves when it answers. */
  readonly start: (region: string, onProgress: StackProgress) => Promise<void>;
  /** Resolves when the region serves. */
  readonly untilReady: (region: string, onProgress: StackProgress) => Promise<void>;
  /** Removes a fenced region's databases, and the files of these tenants; what it keeps for others stays. */
  readonly reset: (region: string, slugs: readonly string[], onProgress: StackProgress) => Promise<void>;
  /** Leads the region's name, and so the names of all tenants that lead to it, to its successor. */
  readonly redirect: (region: string, successor: string) => Promise<void>;
  /** The region may be used from now on, or not any more. */
  readonly open: (region: string) => void;
  readonly close: (region: string) => void;
  /** Told before each step. */
  readonly onStep?: (step: FailOverStep | FailBackStep) => Promise<void>;
}

/** The control plane's use cases for regions that are lost and come back. One at a time for each region. */
export class Recoveries {
  readonly #parts: RecoveryParts;
  readonly #running = new Map<string, RegionOperation>();
  readonly #results = new Map<string, Promise<unknown>>();

  constructor(parts: RecoveryParts) {
    this.#parts = parts;
  }

  /**
   * Brings a lost region's tenants back in its recovery region. Repeating it goes on with what a crash left, tries those
   * again that could not be brought back, or tells again what came of it. A region that serves is given up only with
   * `force`.
   * @throws E_REGION_UNKNOWN, E_REGION_NO_RECOVERY, E_REGION_HEALTHY, E_CONFLICT
   */
  async failOver(region: string, options: { readonly force: boolean }): Promise<FailOverOutcome> {
    const state = await this.#parts.states.find(region);
    if (state.outcome?.failed.length === 0 && state.state === "failed-over") return state.outcome;
    const to = state.successor ?? this.#recoveryOf(region);
    if (state.state === "resetting") throw fault("E_CONFLICT", `The region ${region} is on its way back.`);
    const askedAt = this.#parts.clock.now();
    if (mayServe(state.state) && !options.force) await this.#refuseHealthy(region);
    return this.#run(region, "fail-over", (onProgress) =>
      failOver(this.#parts, { region, to, askedAt }, onProgress),
    );
  }

  /**
   * Takes a region that was lost into service again, empty, and moves its tenants back. Repeating it goes on where it
   * was, and tries those again that could not be moved.
   * @throws E_REGION_UNKNOWN, E_CONFLICT when it was not lost, or its failover has not ended
   */
  async failBack(region: string): Promise<FailBackOutcome> {
    if (!this.#parts.config().regions[region]) throw unknownRegion(region, this.#parts.config());
    const { state, successor } = await this.#parts.states.find(region);
    if (state === "serving" || state === "failing-over" || successor === null)
      throw fault("E_CONFLICT", `The region ${region} has not failed over.`, {
        remedy: "`rowhouse region list` shows which regions have.",
      });
    return this.#run(region, "fail-back", (onProgress) =>
      failBack(this.#parts, { region, from: successor }, onProgress),
    );
  }

  /** What comes of the failover that runs, or came of the last. @throws E_NOT_FOUND when there was none */
  async failOverOutcome(region: string): Promise<FailOverOutcome> {
    const running = this.#running.get(region);
    if (running?.kind === "fail-over" && !running.hasEnded)
      return this.#results.get(region) as Promise<FailOverOutcome>;
    const { outcome } = await this.#parts.states.find(region);
    if (outcome) return outcome;
    throw fault("E_NOT_FOUND", `The region ${region} has not failed over.`);
  }

  /** What comes of the way back that runs, or came of the last. @throws E_NOT_FOUND when there was none since the start */
  async failBackOutcome(region: string): Promise<FailBackOutcome> {
    if (this.#running.get(region)?.kind === "fail-back")
      return this.#results.get(region) as Promise<FailBackOutcome>;
    throw fault("E_NOT_FOUND", `There was no way back of ${region}.`);
  }

  /** What is being done to the region, or was last. */
  operation(region: string): RegionOperation | undefined {
    return this.#running.get(region);
  }

  /** Goes on with what a crash interrupted, in the background. */
  async resume(onFault: (region: string, error: unknown) => void): Promise<void> {
    for (const { region, state } of await this.#parts.states.list()) {
      if (state === "failing-over")
        void this.failOver(region, { force: true }).catch((error: unknown) => onFault(region, error));
      else if (state === "resetting" || state === "failing-back")
        void this.failBack(region).catch((error: unknown) => onFault(region, error));
    }
  }

  /** Regions that must not be used, with what the directory says of them. */
  async lost(): Promise<readonly RegionState[]> {
    return (await this.#parts.states.list()).filter(({ state }) => !mayServe(state));
  }

  #recoveryOf(region: string): string {
    const config = this.#parts.config();
    const declared = config.regions[region];
    if (!declared) throw unknownRegion(region, config);
    if (declared.recovery !== undefined) return declared.recovery;
    throw fault("E_REGION_NO_RECOVERY", `The configuration names no recovery region of ${region}.`);
  }

  async #refuseHealthy(region: string): Promise<void> {
    const status = await this.#parts
      .control(region)
      .status()
      .catch(() => undefined);
    const instances = status?.fleets.flatMap((fleet) => fleet.instances) ?? [];
    const isServed =
      instances.some(({ health }) => health === "healthy") &&
      status?.databases.every((server) => server.status === "available" || server.status === "degraded");
    if (isServed) throw fault("E_REGION_HEALTHY", `The region ${region} serves its tenants.`);
  }

  async #run<T>(
    region: string,
    kind: "fail-over" | "fail-back",
    work: (onProgress: StackProgress) => Promise<T>,
  ): Promise<T> {
    const running = this.#running.get(region);
    if (running && !running.hasEnded) {
      if (running.kind === kind) return this.#results.get(region) as Promise<T>;
      throw fault("E_CONFLICT", `The region ${region} is busy with its ${running.kind}.`);
    }
    const result = Promise.withResolvers<T>();
    result.promise.catch(() => {});
    this.#results.set(region, result.promise);
    const operation = new RegionOperation(kind, async (onProgress) => {
      try {
        result.resolve(await work(onProgress));
      } catch (error) {
        result.reject(error);
        throw error;
      }
    });
    this.#running.set(region, operation);
    return result.promise;
  }
}
