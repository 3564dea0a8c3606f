import {
  DeregisterTargetsCommand,
  DescribeTargetHealthCommand,
  type ElasticLoadBalancingV2Client,
  RegisterTargetsCommand,
  type TargetDescription,
  type TargetHealthDescription,
} from "@aws-sdk/client-elastic-load-balancing-v2";
import { fault } from "../core/error.ts";
import type { Balancer, BalancerTarget, BalancerTargetHealth } from "../ports/balancer.ts";
import type { Clock } from "../ports/clock.ts";
import type { Registry, RegistryItem } from "../ports/registry.ts";
import { isAwsError } from "./fault.ts";
import type { RegionResources } from "./resources.ts";

export interface BalancerParts {
  readonly client: ElasticLoadBalancingV2Client;
  /** Keeps which instance is which target. */
  readonly registry: Registry;
  readonly loadBalancer: RegionResources["loadBalancer"];
  readonly clock: Clock;
  /** Where clients reach it. Default: the load balancer's own name, which the certificate does not have. */
  readonly url?: string;
}

/** Registry domain with one item for each target, by instance id: its address and zone. */
const targetsDomain = "balancer-targets";
const defaultDrainSeconds = 30;
const drainPollMilliseconds = 1000;

/**
 * An Application Load Balancer with one target group of type `ip`: an instance is an address and port of its network.
 * It differs from the embedded engine in these ways.
 * - A request whose target dies is not tried on another: the client gets 502. How long a dead target still gets requests
 *   is the health check's interval times its threshold, or until the controller sees it and deregisters it.
 * - When no target is healthy, requests go to all of them ("fail open").
 * - The time to drain is the group's (`deregistration_delay`), not the call's: after `drainSeconds` the target counts
 *   as gone here, and requests that still run there may go on until the delay is over or the machine ends. The load
 *   balancer says "draining" for the whole delay, even when nothing runs any more.
 * - A target that is slower than the others or fails more gets fewer requests, not none, if the group's algorithm is
 *   `weighted_random` with anomaly mitigation; with `least_outstanding_requests` the slowness alone drives them away.
 *
 * Source: Elastic Load Balancing, "Target groups for your Application Load Balancers", "Health checks", "Edit attributes".
 */
export function createBalancer(parts: BalancerParts): Balancer {
  return new ApplicationLoadBalancer(parts);
}

class ApplicationLoadBalancer implements Balancer {
  readonly #parts: BalancerParts;

  constructor(parts: BalancerParts) {
    this.#parts = parts;
  }

  async register({ id, address, zone }: BalancerTarget): Promise<void> {
    const { client, registry } = this.#parts;
    const target = toTarget(address);
    const known = addressOf(await registry.get(targetsDomain, id));
    // Written down first: a target that the group has and nobody knows could never be taken out again.
    await registry.put(targetsDomain, id, { address, zone });
    await client.send(new RegisterTargetsCommand({ ...this.#group, Targets: [target] }));
    if (known !== undefined && known !== address) await this.#deregister(known);
  }

  async deregister(
    id: string,
    { drainSeconds = defaultDrainSeconds }: { readonly drainSeconds?: number } = {},
  ): Promise<void> {
    const { registry } = this.#parts;
    const item = await registry.get(targetsDomain, id);
    const address = addressOf(item);
    if (!item || address === undefined) return;
    await this.#deregister(address);
    await this.#untilGone(address, drainSeconds);
    const current = await registry.get(targetsDomain, id);
    // Another address may have been registered under the id meanwhile.
    if (current?.version === item.version) await registry.delete(targetsDomain, id);
  }

  async targets(): Promise<readonly BalancerTargetHealth[]> {
    // In this order: a target is written down before it is registered, so what has no item here is nobody's.
    const described = await this.#describe();
    const items = await this.#parts.registry.query(targetsDomain);
    const byAddress = new Map(described.map((one) => [toAddress(one.Target), one]));
    await this.#takeOutStrays(byAddress, items);
    return items.flatMap((item) => {
      const address = addressOf(item) ?? "";
      const health = toHealth(byAddress.get(address));
      return health ? [{ id: item.name, address, zone: String(item.attributes.zone), ...health }] : [];
    });
  }

  async describe(): Promise<{ url: string; address: string }> {
    const { loadBalancer, url } = this.#parts;
    return { url: url ?? `https://${loadBalancer.dnsName}`, address: loadBalancer.dnsName };
  }

  get #group(): { readonly TargetGroupArn: string } {
    return { TargetGroupArn: this.#parts.loadBalancer.targetGroupArn };
  }

  async #describe(target?: TargetDescription): Promise<readonly TargetHealthDescription[]> {
    const { TargetHealthDescriptions } = await this.#parts.client.send(
      new DescribeTargetHealthCommand({
        ...this.#group,
        ...(target === undefined ? {} : { Targets: [target] }),
        Include: ["AnomalyDetection"],
      }),
    );
    return TargetHealthDescriptions ?? [];
  }

  /** A crash while a target was replaced leaves the old one, whose address another machine may get one day. */
  async #takeOutStrays(
    byAddress: ReadonlyMap<string, TargetHealthDescription>,
    items: readonly RegistryItem[],
  ): Promise<void> {
    const known = new Set(items.map(addressOf));
    for (const [address, described] of byAddress) {
      const isLeaving = ["draining", "unhealthy.draining", "unused"].includes(
        described.TargetHealth?.State ?? "unused",
      );
      if (!known.has(address) && !isLeaving) await this.#deregister(address);
    }
  }

  async #deregister(address: string): Promise<void> {
    try {
      await this.#parts.client.send(
        new DeregisterTargetsCommand({ ...this.#group, Targets: [toTarget(address)] }),
      );
    } catch (error) {
      if (!isAwsError(error, "InvalidTargetException", "InvalidTarget")) throw error;
    }
  }

  async #untilGone(address: string, drainSeconds: number): Promise<void> {
    const { clock } = this.#parts;
    const deadline = clock.elapsedMilliseconds() + drainSeconds * 1000;
    for (;;) {
      const left = deadline - clock.elapsedMilliseconds();
      if (left <= 0) return;
      const [described] = await this.#describe(toTarget(address));
      if (described?.TargetHealth?.State !== "draining") return;
      await clock.sleep(Math.min(drainPollMilliseconds, left));
    }
  }
}

function addressOf(item: RegistryItem | undefined): string | undefined {
  return item === undefined ? undefined : String(item.attributes.address);
}

/** @throws E_ARGUMENT */
function toTarget(address: string): TargetDescription {
  const [, host, port] = /^([^\s:]+):(\d{1,5})$/.exec(address) ?? [];
  if (host === undefined) throw fault("E_ARGUMENT", `A target's address is host:port, not "${address}".`);
  return { Id: host, Port: Number(port) };
}

function toAddress(target: TargetDescription | undefined): string {
  return `${target?.Id}:${target?.Port}`;
}

/** Nothing for what the group does not have: whoever registered it has to do so again. */
function toHealth(
  described: TargetHealthDescription | undefined,
): Pick<BalancerTargetHealth, "state" | "reason"> | undefined {
  const { State, Reason, Description } = described?.TargetHealth ?? {};
  if (State === undefined || Reason === "Target.NotRegistered") return undefined;
  const isAnomalous = described?.AnomalyDetection?.Result === "anomalous";
  if (State === "healthy") {
    return {
      state: State,
      ...(isAnomalous ? { reason: "Fails or is slow more often than the others." } : {}),
    };
  }
  const reason = Description ?? Reason;
  const state =
    State === "initial" || State === "draining"
      ? State
      : State === "unhealthy.draining"
        ? "draining"
        : "unhealthy";
  return { state, ...(reason === undefined ? {} : { reason }) };
}
