import type { Config } from "../../core/config/schema.ts";
import { instancesDomain } from "../../core/fleet/instances-domain.ts";
import { launchPauseSeconds } from "../../core/fleet/launch-pause.ts";
import { type FleetAction, type ObservedInstance, reconcileFleet } from "../../core/fleet/reconcile.ts";
import type { BalancerTargetHealth } from "../../ports/balancer.ts";
import type { FleetInstance } from "../../ports/fleets.ts";
import type { RegionPlatform } from "../../ports/platform.ts";
import type { RegistryItem } from "../../ports/registry.ts";
import type { InstanceStatus } from "../region-control.ts";

const drainSeconds = 10;

interface Parts {
  readonly platform: Pick<RegionPlatform, "fleets" | "balancer" | "registry" | "clock" | "random">;
  readonly config: Config;
  readonly zones: readonly string[];
  /** How long a new instance may take until it is healthy. */
  readonly startGraceSeconds: number;
  /** `undefined` before the first release: then there is nothing to run. */
  readonly release: () => { readonly version: string; readonly sha256: string } | undefined;
}

/** Keeps the region's app fleet as it should be: launches, registers with the balancer, replaces. */
export class FleetKeeper {
  readonly #parts: Parts;
  readonly #leaving = new Set<string>();
  /** Instances in a row that ended before they could serve, and why the last one did. */
  #failuresInARow = 0;
  #lastFailure: string | undefined;
  #nextLaunchAt = Number.NEGATIVE_INFINITY;

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  get desired(): number {
    return this.#parts.config.fleets.app.min;
  }

  /** Why instances don't come up, while they don't. */
  get problem(): string | null {
    return this.#lastFailure ?? null;
  }

  /** One round: looks at what there is and does what is missing. */
  async reconcile(): Promise<void> {
    const release = this.#parts.release();
    if (!release) return;
    const { fleets, balancer, registry } = this.#parts.platform;
    const [instances, targets, items] = await Promise.all([
      fleets.list("app"),
      balancer.targets(),
      registry.query(instancesDomain),
    ]);
    await this.#takeOutTheDead(instances, targets, items);
    await this.#register(instances, targets);
    const observed = this.#observe(instances, targets, items);
    const goal = {
      desired: this.desired,
      zones: this.#parts.zones,
      release: release.version,
      startGraceSeconds: this.#parts.startGraceSeconds,
    };
    await Promise.all(reconcileFleet(goal, observed).map((action) => this.#act(action, release)));
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

  /** Whoever is written down and lives no more; its end is at once known to the balancer. */
  async #takeOutTheDead(
    instances: readonly FleetInstance[],
    targets: readonly BalancerTargetHealth[],
    items: readonly RegistryItem[],
  ): Promise<void> {
    const { balancer, registry } = this.#parts.platform;
    const alive = new Set(instances.filter(isAlive).map((instance) => instance.id));
    const isDead = (id: string) => !alive.has(id) && !this.#leaving.has(id);
    for (const item of items) if (isDead(item.name)) this.#noteEnd(item);
    const dead = new Set(
      [...items.map((item) => item.name), ...targets.map((target) => target.id)].filter(isDead),
    );
    await Promise.all(
      [...dead].map(async (id) => {
        await balancer.deregister(id, { drainSeconds: 0 });
        await registry.delete(instancesDomain, id);
      }),
    );
  }

  /** An instance that ends before it ever served will most likely do so again: the next one has to wait. */
  #noteEnd(item: RegistryItem): void {
    if (item.attributes.status === "running") return;
    this.#failuresInARow++;
    this.#lastFailure = String(
      item.attributes.error ?? `The instance ${item.name} ended before it could serve.`,
    );
    const pauseMilliseconds = launchPauseSeconds(this.#failuresInARow) * 1000;
    this.#nextLaunchAt = this.#parts.platform.clock.elapsedMilliseconds() + pauseMilliseconds;
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

  #observe(
    instances: readonly FleetInstance[],
    targets: readonly BalancerTargetHealth[],
    items: readonly RegistryItem[],
  ): ObservedInstance[] {
    const health = new Map(targets.map((target) => [target.id, target.state]));
    const releases = new Map(items.map((item) => [item.name, String(item.attributes.release)]));
    if (targets.some((target) => target.state === "healthy")) {
      this.#failuresInARow = 0;
      this.#lastFailure = undefined;
    }
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
      if (this.#parts.platform.clock.elapsedMilliseconds() < this.#nextLaunchAt) return;
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
