import { chooseTarget, interleaveZones } from "../../core/balancing/choose.ts";
import { decideEjections } from "../../core/balancing/outliers.ts";
import { fault, type RowhouseError } from "../../core/error.ts";
import type { BalancerTarget, BalancerTargetHealth } from "../../ports/balancer.ts";
import type { Clock } from "../../ports/clock.ts";
import type { Upstream, Upstreams } from "../proxy/upstream.ts";
import { readJson, writeFileAtomically } from "../state-folder.ts";
import type { HealthCheck } from "./health-check.ts";
import { Target } from "./target.ts";

type Log = (entry: { readonly level: "info" | "warn" | "error"; readonly message: string }) => void;

const checkHealthyMilliseconds = 1000;
/** A target that starts, or comes back, shall not be waited for. */
const checkOthersMilliseconds = 100;
const sweepMilliseconds = 1000;
const drainPollMilliseconds = 20;
const replacedDrainSeconds = 30;

/**
 * The targets of one region's balancer: kept in a file, checked by itself, chosen for each request. Nothing here
 * needs the control plane but the news of another target.
 */
export class TargetTable implements Upstreams {
  readonly #file: string;
  readonly #clock: Clock;
  readonly #check: HealthCheck;
  readonly #log: Log;
  readonly #stop = new AbortController();
  readonly #registered = new Map<string, Target>();
  /** Those that still finish requests, whatever has their id by now. */
  readonly #draining = new Set<Target>();
  readonly #checking = new Set<Target>();
  #ring: Target[] = [];
  #cursor = 0;
  readonly #waiting = new Set<AbortController>();
  #saving: Promise<void> = Promise.resolve();

  constructor(options: {
    readonly file: string;
    readonly clock: Clock;
    readonly check: HealthCheck;
    readonly log: Log;
  }) {
    this.#file = options.file;
    this.#clock = options.clock;
    this.#check = options.check;
    this.#log = options.log;
  }

  /** Takes up the targets that the file remembers, and begins to look after them. @throws E_STATE_CORRUPT */
  async start(): Promise<void> {
    const remembered = (await readJson<readonly BalancerTarget[]>(this.#file)) ?? [];
    for (const target of remembered) this.#add(target);
    void this.#sweep();
  }

  /** Ends the checks and all connections. */
  async stop(): Promise<void> {
    this.#stop.abort();
    this.#ring = [];
    for (const target of [...this.#registered.values(), ...this.#draining]) target.close();
    await this.#saving;
  }

  list(): BalancerTargetHealth[] {
    const draining = [...this.#draining].filter(({ id }) => !this.#registered.has(id));
    return [...this.#registered.values(), ...draining].map((target) => target.describe());
  }

  /** Returns once the file has it. */
  async register(target: BalancerTarget): Promise<void> {
    const known = this.#registered.get(target.id);
    if (known?.address === target.address && known.zone === target.zone) return;
    if (known) void this.#drain(known, replacedDrainSeconds);
    this.#add(target);
    await this.#save();
  }

  /** From now on the target gets no new request; it is gone when those in flight have ended, or the time is over. */
  async deregister(id: string, drainSeconds: number): Promise<void> {
    const target = this.#registered.get(id);
    if (!target) return;
    this.#registered.delete(id);
    void this.#drain(target, drainSeconds);
    await this.#save();
  }

  next(tried?: ReadonlySet<Upstream>): Upstream | undefined {
    const place = chooseTarget(this.#ring, this.#cursor, tried);
    if (place === -1) return undefined;
    this.#cursor = place + 1;
    return this.#ring[place];
  }

  async changed(milliseconds: number): Promise<void> {
    const woken = new AbortController();
    this.#waiting.add(woken);
    await this.#clock.sleep(milliseconds, woken.signal).catch(() => {});
    this.#waiting.delete(woken);
  }

  exhausted(): RowhouseError {
    return fault("E_NO_INSTANCE");
  }

  #add(record: BalancerTarget): void {
    const target = new Target(record, (suspect) => void this.#look(suspect));
    this.#registered.set(record.id, target);
    this.#ring = interleaveZones([...this.#registered.values()]);
    void this.#watch(target);
  }

  async #drain(target: Target, drainSeconds: number): Promise<void> {
    target.drain();
    this.#draining.add(target);
    this.#ring = interleaveZones([...this.#registered.values()]);
    const deadline = this.#clock.elapsedMilliseconds() + drainSeconds * 1000;
    while (
      target.outstanding > 0 &&
      this.#clock.elapsedMilliseconds() < deadline &&
      !this.#stop.signal.aborted
    ) {
      await this.#clock.sleep(drainPollMilliseconds);
    }
    target.close();
    this.#draining.delete(target);
    this.#log({ level: "info", message: `Target ${target.id} at ${target.address} is gone.` });
  }

  async #watch(target: Target): Promise<void> {
    while (!target.draining && !this.#stop.signal.aborted) {
      await this.#look(target);
      const healthy = target.health.state === "healthy";
      await this.#pause(healthy ? checkHealthyMilliseconds : checkOthersMilliseconds);
    }
  }

  /** One health check, unless one is under way. */
  async #look(target: Target): Promise<void> {
    if (this.#checking.has(target) || target.draining || this.#stop.signal.aborted) return;
    this.#checking.add(target);
    const before = target.describe();
    const { outcome, reason } = await this.#check(target.address);
    this.#checking.delete(target);
    target.checked(outcome, reason);
    this.#noteChange(target, before);
    if (before.state === "healthy" && target.health.state === "failing") this.#moveRequestsAway(target);
  }

  /** A target that takes connections and never answers would hold its requests until they time out. */
  #moveRequestsAway(target: Target): void {
    if (!this.#ring.some(({ use }) => use === "first")) return;
    for (const exchange of [...target.inFlight]) exchange.moveAway();
  }

  async #sweep(): Promise<void> {
    while (!this.#stop.signal.aborted) {
      const now = this.#clock.elapsedMilliseconds();
      for (const target of [...this.#ring, ...this.#draining]) {
        for (const exchange of [...target.inFlight]) exchange.expire(now);
      }
      this.#judge(now);
      await this.#pause(sweepMilliseconds);
    }
  }

  #judge(now: number): void {
    for (const target of this.#ring) {
      const before = target.describe();
      target.passTime(now);
      this.#noteChange(target, before);
    }
    const healthy = this.#ring.filter((target) => target.isHealthy);
    for (const ejection of decideEjections(healthy, now)) {
      const target = this.#registered.get(ejection.id);
      if (!target) continue;
      const before = target.describe();
      target.eject(ejection);
      this.#noteChange(target, before);
    }
  }

  #noteChange(target: Target, before: BalancerTargetHealth): void {
    const after = target.describe();
    if (before.state === after.state && before.reason === after.reason) return;
    const level = after.state === "healthy" ? "info" : "warn";
    const reason = after.reason === undefined ? "" : ` ${after.reason}`;
    this.#log({ level, message: `Target ${target.id} at ${target.address} is ${after.state}.${reason}` });
    for (const waiting of this.#waiting) waiting.abort();
  }

  /** Resolves early when the table stops. */
  async #pause(milliseconds: number): Promise<void> {
    await this.#clock.sleep(milliseconds, this.#stop.signal).catch(() => {});
  }

  /** One write after the other; each holds what is true when it begins. */
  #save(): Promise<void> {
    const save = () => {
      const targets = [...this.#registered.values()].map(({ id, address, zone }) => ({ id, address, zone }));
      return writeFileAtomically(this.#file, JSON.stringify(targets));
    };
    const saved = this.#saving.then(save);
    this.#saving = saved.catch(() => {});
    return saved;
  }
}
