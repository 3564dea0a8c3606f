import type { Config } from "../../core/config/schema.ts";
import { type FleetAction, type ObservedInstance, reconcileFleet } from "../../core/fleet/reconcile.ts";
import type { BalancerTargetHealth } from "../../ports/balancer.ts";
import type { FleetInstance } from "../../ports/fleets.ts";
import type { RegionPlatform } from "../../ports/platform.ts";
import type { InstanceStatus } from "../region-control.ts";

/** Registry domain with one item for each instance: what it is to run, and what it says of itself. */
export const instancesDomain = "instances";

const startGraceSeconds = 30;
const drainSeconds = 10;

interface Parts {
  readonly platform: Pick<RegionPlatform, "fleets" | "balancer" | "registry" | "clock" | "random">;
  readonly config: Config;
  readonly zones: readonly string[];
  /** `undefined` before the first release: then there is nothing to run. */
  readonly release: () => { readonly version: string; readonly sha256: string } | undefined;
}

/** Keeps the region's app fleet as it should be: launches, registers with the balancer, replaces. */
export class FleetKeeper {
  readonly #parts: Parts;
  readonly #leaving = new Set<string>();

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  get desired(): number {
    return this.#parts.config.fleets.app.min;
  }

  /** One round: looks at what there is and does what is missing. */
  async reconcile(): Promise<void> {
    const release = this.#parts.release();
    if (!release) return;
    const { fleets, balancer } = this.#parts.platform;
    const [instances, targets] = await Promise.all([fleets.list("app"), balancer.targets()]);
    await this.#takeOutTheDead(instances, targets);
    await this.#register(instances, targets);
    const observed = await this.#observe(instances, targets);
    const goal = {
      desired: this.desired,
      zones: this.#parts.zones,
      release: release.version,
      startGraceSeconds,
    };
    await Promise.all(reconcileFleet(goal, observed).map((action) => this.#act(action, release)));
  }

  /** How many are healthy at the balancer. */
  async healthyCount(): Promise<number> {
    return (await this.#parts.platform.balancer.targets()).filter((target) => target.state === "healthy")
      .length;
  }

  async status(): Promise<InstanceStatus[]> {
    const { fleets, balancer, registry } = this.#parts.platform;
    const [instances, targets, items] = await Promise.all([
      fleets.list("app"),
      balancer.targets().catch(() => []),
      registry.query(instancesDomain),
    ]);
    const health = new Map(targets.map((target) => [target.id, target.state]));
    const releases = new Map(items.map((item) => [item.name, item.attributes.release]));
    return instances.map((instance) => ({
      id: instance.id,
      pid: instance.pid ?? null,
      zone: instance.zone,
      state: instance.state,
      health: health.get(instance.id) ?? "unknown",
      release: String(releases.get(instance.id) ?? "") || null,
      address: instance.address ?? null,
      market: instance.market,
    }));
  }

  async #takeOutTheDead(
    instances: readonly FleetInstance[],
    targets: readonly BalancerTargetHealth[],
  ): Promise<void> {
    const { balancer, registry } = this.#parts.platform;
    const alive = new Set(instances.filter(isAlive).map((instance) => instance.id));
    const dead = targets.filter((target) => !alive.has(target.id));
    await Promise.all(
      dead.map(async ({ id }) => {
        await balancer.deregister(id, { drainSeconds: 0 });
        await registry.delete(instancesDomain, id);
      }),
    );
  }

  /** An instance is a target as soon as it has an address; the balancer's health check decides when it gets work. */
  async #register(
    instances: readonly FleetInstance[],
    targets: readonly BalancerTargetHealth[],
  ): Promise<void> {
    const known = new Map(targets.map((target) => [target.id, target.address]));
    const fresh = instances.filter(
      ({ id, address, state }) =>
        state === "running" && address !== undefined && known.get(id) !== address && !this.#leaving.has(id),
    );
    await Promise.all(
      fresh.map(({ id, address = "", zone }) =>
        this.#parts.platform.balancer.register({ id, address, zone }),
      ),
    );
  }

  async #observe(
    instances: readonly FleetInstance[],
    targets: readonly BalancerTargetHealth[],
  ): Promise<ObservedInstance[]> {
    const health = new Map(targets.map((target) => [target.id, target.state]));
    const items = await this.#parts.platform.registry.query(instancesDomain);
    const releases = new Map(items.map((item) => [item.name, String(item.attributes.release)]));
    const now = this.#parts.platform.clock.now().getTime();
    return instances.map(({ id, zone, state, launchedAt }) => ({
      id,
      zone,
      state: this.#leaving.has(id) ? "terminating" : state,
      health: health.get(id) ?? "unknown",
      release: releases.get(id) ?? "",
      ageSeconds: (now - launchedAt.getTime()) / 1000,
    }));
  }

  async #act(
    action: FleetAction,
    release: { readonly version: string; readonly sha256: string },
  ): Promise<void> {
    const { fleets, registry, random } = this.#parts.platform;
    if (action.type === "launch") {
      const instanceId = `i-${Buffer.from(random.bytes(6)).toString("hex")}`;
      await registry.put(instancesDomain, instanceId, {
        fleet: "app",
        zone: action.zone,
        release: release.version,
        sha256: release.sha256,
        status: "launching",
      });
      await fleets.launch({ fleet: "app", zone: action.zone, instanceId });
      return;
    }
    if (this.#leaving.has(action.id)) return;
    this.#leaving.add(action.id);
    // Draining takes its time; the next rounds go on meanwhile.
    void this.#retire(action.id, action.graceful).finally(() => this.#leaving.delete(action.id));
  }

  async #retire(id: string, graceful: boolean): Promise<void> {
    const { fleets, balancer, registry } = this.#parts.platform;
    try {
      await balancer.deregister(id, { drainSeconds: graceful ? drainSeconds : 0 });
    } finally {
      await fleets.terminate(id, { graceSeconds: graceful ? drainSeconds : 0 });
      await registry.delete(instancesDomain, id);
    }
  }
}

function isAlive(instance: FleetInstance): boolean {
  return instance.state === "pending" || instance.state === "running";
}
