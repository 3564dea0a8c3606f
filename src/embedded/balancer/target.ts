import { afterOutcome, type Health, type HealthOutcome, initialHealth } from "../../core/balancing/health.ts";
import {
  type Ejection,
  type LatencyEstimate,
  noLatency,
  recordLatency,
  type Suspect,
} from "../../core/balancing/outliers.ts";
import type { BalancerTarget, BalancerTargetHealth } from "../../ports/balancer.ts";
import { type ConnectionFault, Upstream } from "../proxy/upstream.ts";

/** An ejection is held against a target for so long after its end. */
const forgetEjectionsMilliseconds = 60_000;
/** So often in a row, and the target should be replaced. */
const ejectionsToReplace = 3;

/** One registered target: its connections, its health, and what is held against it. */
export class Target extends Upstream implements Suspect {
  readonly id: string;
  readonly zone: string;
  use: "first" | "resort" | "never" = "never";
  latency: LatencyEstimate = noLatency;
  consecutiveFaults = 0;
  ejectedUntil = Number.NEGATIVE_INFINITY;
  ejections = 0;
  readonly #onFault: (target: Target) => void;
  #health: Health = initialHealth;
  #draining = false;
  #ejected: Ejection | undefined;

  /** `onFault` hears of a connection that broke: reason to look at the target's health at once. */
  constructor(target: BalancerTarget, onFault: (target: Target) => void) {
    super(target.address);
    this.id = target.id;
    this.zone = target.zone;
    this.#onFault = onFault;
  }

  get health(): Health {
    return this.#health;
  }

  get draining(): boolean {
    return this.#draining;
  }

  /** True when it may be weighed against others. */
  get isHealthy(): boolean {
    return this.#health.state === "healthy" && !this.#draining;
  }

  describe(): BalancerTargetHealth {
    const { id, address, zone } = this;
    if (this.#draining) return { id, address, zone, state: "draining" };
    const { state, reason } = this.#health;
    if (state === "healthy" && this.#ejected) {
      const given = this.ejections < ejectionsToReplace ? "healthy" : "unhealthy";
      return {
        id,
        address,
        zone,
        state: given,
        reason: `Gets no requests for a while: ${this.#ejected.reason}.`,
      };
    }
    const shown = state === "failing" || state === "gone" ? "unhealthy" : state;
    return { id, address, zone, state: shown, ...(reason === undefined ? {} : { reason }) };
  }

  /** Takes in what a health check found. */
  checked(outcome: HealthOutcome, reason: string): void {
    const before = this.#health.state;
    this.#health = afterOutcome(this.#health, outcome, reason);
    if (this.#health.state === "healthy" && before === "gone") this.#forget();
    this.#updateUse();
  }

  drain(): void {
    this.#draining = true;
    this.#updateUse();
  }

  eject(ejection: Ejection): void {
    this.#ejected = ejection;
    this.ejectedUntil = ejection.until;
    this.ejections++;
    this.#updateUse();
  }

  /** Lets an ejected target back when its time is over. */
  passTime(now: number): void {
    if (this.#ejected && this.ejectedUntil <= now) {
      this.#ejected = undefined;
      this.latency = noLatency;
      this.consecutiveFaults = 0;
      this.#updateUse();
    } else if (this.ejectedUntil + forgetEjectionsMilliseconds <= now) {
      this.ejections = 0;
    }
  }

  override answered(milliseconds: number): void {
    this.latency = recordLatency(this.latency, milliseconds);
    this.consecutiveFaults = 0;
  }

  override failed(fault: ConnectionFault): void {
    this.consecutiveFaults++;
    if (fault === "refused") this.checked("refused", `Nobody listens at ${this.address}.`);
    this.#onFault(this);
  }

  /** Another process listens there now: what was held against the old one is over. */
  #forget(): void {
    this.#ejected = undefined;
    this.ejectedUntil = Number.NEGATIVE_INFINITY;
    this.ejections = 0;
    this.latency = noLatency;
    this.consecutiveFaults = 0;
  }

  #updateUse(): void {
    const { state } = this.#health;
    if (this.#draining || state === "initial" || state === "gone") this.use = "never";
    else this.use = state === "healthy" && !this.#ejected ? "first" : "resort";
  }
}
