import type { AutoScalingClient } from "@aws-sdk/client-auto-scaling";
import {
  type EC2Client,
  type Filter,
  type Instance,
  type InstanceStateName,
  paginateDescribeInstances,
  RunInstancesCommand,
  TerminateInstancesCommand,
} from "@aws-sdk/client-ec2";
import { fault, RowhouseError } from "../core/error.ts";
import type { Clock } from "../ports/clock.ts";
import type { FleetInstance, Fleets, LaunchInstance } from "../ports/fleets.ts";
import { isAwsError } from "./fault.ts";
import { GroupMembership } from "./group-membership.ts";
import { awsTags, instancePort, type RegionResources } from "./resources.ts";

export interface FleetsParts {
  readonly ec2: EC2Client;
  readonly autoScaling: AutoScalingClient;
  readonly resources: Pick<RegionResources, "prefix" | "region" | "privateSubnets" | "groups">;
  readonly clock: Clock;
  /** Hears of what a fleet's Auto Scaling group refused. */
  readonly log?: (entry: { readonly level: "warn"; readonly message: string }) => void;
}

/**
 * `DescribeInstances` may not show a machine for a while after it was launched; so long it is listed from memory.
 * Source: Amazon EC2 API Reference, "Eventual consistency": most often seconds, sometimes minutes.
 */
const unseenMilliseconds = 5 * 60_000;

const states: Readonly<Record<InstanceStateName, FleetInstance["state"]>> = {
  pending: "pending",
  running: "running",
  "shutting-down": "terminating",
  terminated: "terminated",
  // Nobody here stops machines, and a stopped one never serves again by itself.
  stopping: "terminating",
  stopped: "terminated",
};
const notTerminated: readonly InstanceStateName[] = ["pending", "running", "stopping", "stopped"];

/**
 * Servers as EC2 machines, launched one by one from their fleet's launch template. How long a program may take to
 * finish is its systemd unit's to say (40 s): EC2 orders the system to shut down, and has no time to be given along.
 */
export function createFleets(parts: FleetsParts): Fleets {
  return new Ec2Fleets(parts);
}

class Ec2Fleets implements Fleets {
  readonly #parts: FleetsParts;
  readonly #membership: GroupMembership;
  readonly #unseen = new Map<string, { readonly machine: Instance; readonly until: number }>();

  constructor(parts: FleetsParts) {
    this.#parts = parts;
    const { autoScaling, clock, log = () => {} } = parts;
    this.#membership = new GroupMembership({ autoScaling, clock, log });
  }

  async launch(instance: LaunchInstance): Promise<FleetInstance> {
    // The client token alone makes it one machine; looking first spares a repetition that EC2 would refuse, because
    // the launch template has changed since.
    const known =
      this.#unseen.get(instance.instanceId)?.machine ?? (await this.#find(instance.instanceId))[0];
    const machine = known ?? (await this.#run(instance));
    return this.#toInstance(machine);
  }

  async list(fleet?: "app" | "worker"): Promise<readonly FleetInstance[]> {
    const machines = await this.#describe([
      { Name: `tag:${awsTags.fleet}`, Values: fleet === undefined ? ["app", "worker"] : [fleet] },
    ]);
    for (const machine of machines) {
      this.#unseen.delete(tagOf(machine, awsTags.instance));
      const { autoScalingGroup } = this.#parts.resources.groups[fleetOf(machine)];
      await this.#membership.follow(machine, autoScalingGroup);
    }
    const unseen = this.#stillUnseen().filter((machine) => fleet === undefined || fleetOf(machine) === fleet);
    return [...machines, ...unseen].map((machine) => this.#toInstance(machine));
  }

  async terminate(instanceId: string): Promise<void> {
    const unseen = this.#unseen.get(instanceId)?.machine;
    const found = await this.#find(instanceId, notTerminated);
    const machines = found.length === 0 && unseen ? [unseen] : found;
    for (const machine of machines) {
      await this.#membership.leave(machine);
      await this.#end(machine);
    }
    this.#unseen.delete(instanceId);
  }

  async #run({ fleet, zone, instanceId }: LaunchInstance): Promise<Instance> {
    const { ec2, resources, clock } = this.#parts;
    const { prefix, region, privateSubnets, groups } = resources;
    const subnet = privateSubnets[zone];
    if (subnet === undefined) {
      throw fault("E_ARGUMENT", `The region ${region} has no zone "${zone}".`);
    }
    const tags = {
      [awsTags.prefix]: prefix,
      [awsTags.fleet]: fleet,
      [awsTags.instance]: instanceId,
      Name: `${prefix}-${fleet}-${instanceId}`,
    };
    const Tags = Object.entries(tags).map(([Key, Value]) => ({ Key, Value }));
    const order = new RunInstancesCommand({
      LaunchTemplate: { LaunchTemplateId: groups[fleet].launchTemplateId, Version: "$Latest" },
      MinCount: 1,
      MaxCount: 1,
      SubnetId: subnet,
      ClientToken: `${prefix}-${instanceId}`,
      TagSpecifications: [
        { ResourceType: "instance", Tags },
        { ResourceType: "volume", Tags },
      ],
    });
    const answer = await ec2.send(order).catch((error: unknown) => {
      throw namingZone(error, region, zone);
    });
    const [machine] = answer.Instances ?? [];
    if (!machine) throw fault("E_AWS_UNAVAILABLE", `EC2 launched no machine for ${instanceId}.`);
    const launched = { ...machine, Tags };
    this.#unseen.set(instanceId, {
      machine: launched,
      until: clock.elapsedMilliseconds() + unseenMilliseconds,
    });
    return launched;
  }

  async #end(machine: Instance): Promise<void> {
    try {
      await this.#parts.ec2.send(new TerminateInstancesCommand({ InstanceIds: [machine.InstanceId ?? ""] }));
    } catch (error) {
      if (!isAwsError(error, "InvalidInstanceID.NotFound")) throw error;
    }
  }

  #find(instanceId: string, among?: readonly InstanceStateName[]): Promise<Instance[]> {
    return this.#describe([
      { Name: `tag:${awsTags.instance}`, Values: [instanceId] },
      ...(among === undefined ? [] : [{ Name: "instance-state-name", Values: [...among] }]),
    ]);
  }

  async #describe(filters: readonly Filter[]): Promise<Instance[]> {
    const { ec2, resources } = this.#parts;
    const Filters = [{ Name: `tag:${awsTags.prefix}`, Values: [resources.prefix] }, ...filters];
    const machines: Instance[] = [];
    for await (const page of paginateDescribeInstances({ client: ec2, pageSize: 1000 }, { Filters })) {
      for (const reservation of page.Reservations ?? []) machines.push(...(reservation.Instances ?? []));
    }
    return machines;
  }

  #stillUnseen(): Instance[] {
    const now = this.#parts.clock.elapsedMilliseconds();
    for (const [id, { until }] of this.#unseen) if (until <= now) this.#unseen.delete(id);
    return [...this.#unseen.values()].map(({ machine }) => machine);
  }

  #toInstance(machine: Instance): FleetInstance {
    const { region } = this.#parts.resources;
    const address = machine.PrivateIpAddress;
    return {
      id: tagOf(machine, awsTags.instance),
      fleet: fleetOf(machine),
      // A zone's name is the region's and a letter.
      zone: (machine.Placement?.AvailabilityZone ?? "").slice(region.length),
      state: states[machine.State?.Name ?? "pending"],
      ...(address ? { address: `${address}:${instancePort}` } : {}),
      market: machine.InstanceLifecycle === "spot" ? "spot" : "on-demand",
      launchedAt: machine.LaunchTime ?? this.#parts.clock.now(),
    };
  }
}

function tagOf(machine: Instance, key: string): string {
  return machine.Tags?.find(({ Key }) => Key === key)?.Value ?? "";
}

function fleetOf(machine: Instance): "app" | "worker" {
  return tagOf(machine, awsTags.fleet) === "worker" ? "worker" : "app";
}

/** EC2's own message of a shortage does not always say where it is. */
function namingZone(error: unknown, region: string, zone: string): unknown {
  if (!(error instanceof RowhouseError) || error.code !== "E_AWS_CAPACITY") return error;
  return fault("E_AWS_CAPACITY", `EC2 has no machine left in zone ${zone} of ${region}: ${error.reason}`, {
    cause: error.cause,
  });
}
