import type { Failover } from "./failover.ts";
import type { NodeLiveness } from "./node.ts";
import type { NodeKeeper } from "./node-keeper.ts";
import { ask, Pulse } from "./pulse.ts";
import { nextRoleStep, type PairSight } from "./roles.ts";
import type { ServerRecord } from "./server-record.ts";
import { standbyZone } from "./server-state.ts";
import { readHistory } from "./timeline.ts";

/** Sees to it that a pair has a primary that answers, and changes the nodes' roles where that takes it. */
export class RoleKeeper {
  readonly #record: ServerRecord;
  readonly #keeper: (zone: string) => NodeKeeper;
  readonly #failover: Failover;
  readonly #log: (message: string) => void;
  readonly #pulses: ReadonlyMap<string, Pulse>;
  /** What an earlier process may have left half done was looked at. */
  #isTakenOver = false;
  #wasRunning = false;
  #lastComplaint = "";

  constructor(options: {
    readonly record: ServerRecord;
    readonly keeper: (zone: string) => NodeKeeper;
    readonly failover: Failover;
    readonly log: (message: string) => void;
  }) {
    this.#record = options.record;
    this.#keeper = options.keeper;
    this.#failover = options.failover;
    this.#log = options.log;
    const zones = options.record.state.nodes.map(({ zone }) => zone);
    this.#pulses = new Map(zones.map((zone) => [zone, new Pulse(options.keeper(zone).node.place)]));
  }

  /** Feels the primary's pulse when it is time for it. False while it is so weak that nothing should be asked of it. */
  feel(nowMilliseconds: number): boolean {
    this.#primaryPulse?.feel(nowMilliseconds);
    return this.#primaryPulse?.isWeak !== true;
  }

  /** Does what {@link nextRoleStep} says. True when the roles changed, and all that was seen is out of date. */
  async settle(seen: {
    readonly primary: NodeLiveness;
    readonly standby: NodeLiveness;
    readonly isRebuilding: boolean;
  }): Promise<boolean> {
    const sight = await this.#look(seen);
    const step = nextRoleStep(sight);
    this.#complain(sight);
    this.#isTakenOver = true;
    this.#wasRunning = sight.primary.status === "running";
    if (step === "keep") return false;
    if (step === "restart") await this.#keeper(this.#record.state.primary).node.fence();
    else await this.#failover.run();
    this.#primaryPulse?.reset();
    return true;
  }

  get #primaryPulse(): Pulse | undefined {
    return this.#pulses.get(this.#record.state.primary);
  }

  async #look(seen: Parameters<RoleKeeper["settle"]>[0]): Promise<PairSight> {
    const { state } = this.#record;
    const { primary, standby, isRebuilding } = seen;
    const isSuspect = primary.status === "running" && this.#primaryPulse?.isSuspect === true;
    const isStandbyAsked = (isSuspect || primary.status === "down") && standby.status === "running";
    const isSilent = async (zone: string) => (await ask(this.#keeper(zone).node.place)) === "silent";
    const [isHung, isStandbyHung, timelines] = await Promise.all([
      isSuspect && isSilent(state.primary),
      isStandbyAsked && isSilent(standbyZone(state)),
      this.#isTakenOver ? undefined : this.#timelines(),
    ]);
    if (isSuspect && !isHung) this.#primaryPulse?.reset();
    return {
      inSync: state.inSync,
      isPromoting: state.promoting !== undefined,
      primary: { status: primary.status, isHung },
      standby: { status: standby.status, isHung: isStandbyHung },
      isRebuilding,
      ...(timelines ? { timelines } : {}),
    };
  }

  /** Nothing where a folder has none: no decision can be based on it, and starting its node says what is wrong. */
  async #timelines(): Promise<PairSight["timelines"]> {
    const { state } = this.#record;
    const [primary, standby] = await Promise.all(
      [state.primary, standbyZone(state)].map((zone) => readHistory(this.#record.dataFolder(zone))),
    );
    return primary && standby && { primary: primary.timeline, standby: standby.timeline };
  }

  /** Says once what is wrong with the primary. */
  #complain({ primary, inSync }: PairSight): void {
    const hasDied = primary.status === "down" && this.#wasRunning;
    if (!hasDied && !primary.isHung) {
      this.#lastComplaint = "";
      return;
    }
    const follows = inSync ? "" : "; no standby is in sync, so none is promoted, and it is started again";
    const complaint = `the primary ${primary.isHung ? "hangs" : "died"}${follows}`;
    if (complaint !== this.#lastComplaint) this.#log(complaint);
    this.#lastComplaint = complaint;
  }
}
