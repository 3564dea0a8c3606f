import type { DBInstance } from "@aws-sdk/client-rds";
import type { DatabaseNodeStatus, DatabaseServerStatus } from "../../ports/databases.ts";

/** What a status of RDS means for the server, and for each of its two nodes. */
interface Meaning {
  readonly server: DatabaseServerStatus["status"];
  readonly node: DatabaseNodeStatus["status"];
}

const creating: Meaning = { server: "creating", node: "starting" };
const serving: Meaning = { server: "available", node: "running" };
/** It serves, while RDS works on one node after the other. */
const disturbed: Meaning = { server: "degraded", node: "running" };
const starting: Meaning = { server: "down", node: "starting" };
const down: Meaning = { server: "down", node: "down" };
const deleting: Meaning = { server: "deleting", node: "down" };

/** All that RDS documents: https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/accessing-monitoring.html */
const meanings: Readonly<Record<string, Meaning>> = {
  available: serving,
  "backing-up": serving,
  "configuring-enhanced-monitoring": serving,
  "configuring-iam-database-auth": serving,
  "configuring-log-exports": serving,
  "converting-to-vpc": disturbed,
  creating,
  "delete-precheck": deleting,
  deleting,
  failed: down,
  "inaccessible-encryption-credentials": down,
  "inaccessible-encryption-credentials-recoverable": down,
  "incompatible-create": down,
  "incompatible-network": down,
  "incompatible-option-group": down,
  "incompatible-parameters": down,
  "incompatible-restore": down,
  "insufficient-capacity": down,
  maintenance: disturbed,
  modifying: serving,
  "moving-to-vpc": disturbed,
  rebooting: starting,
  renaming: starting,
  "resetting-master-credentials": serving,
  "restore-error": down,
  starting,
  stopped: down,
  stopping: down,
  "storage-config-upgrade": serving,
  "storage-full": down,
  "storage-initialization": serving,
  "storage-optimization": serving,
  upgrading: starting,
};

/** A status that RDS adds one day is most likely another kind of work on a server that serves. */
export function statusMeaning(status: string | undefined): Meaning {
  return status === undefined ? creating : (meanings[status] ?? disturbed);
}

/** Left alone, an instance in such a status never becomes available. */
export function isBroken(status: string | undefined): boolean {
  return statusMeaning(status) === down && status !== "stopped" && status !== "stopping";
}

/**
 * A server as the port shows it. The standby can't be seen through RDS: it has no address, and its storage takes every
 * write together with the primary's (https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/Concepts.MultiAZSingleStandby.html).
 * So it lacks nothing as long as RDS says that the instance is well, and in any other status nobody knows.
 */
export function describeInstance(name: string, instance: DBInstance): DatabaseServerStatus {
  const meaning = statusMeaning(instance.DBInstanceStatus);
  const { Address: host, Port: port } = instance.Endpoint ?? {};
  if (host === undefined || port === undefined)
    return { name, status: meaning.server, primary: null, standby: null };
  const node = { host, port, status: meaning.node };
  const primary = instance.AvailabilityZone ? { ...node, zone: letter(instance.AvailabilityZone) } : null;
  const zone = standbyZone(instance);
  const standby = zone ? { ...node, zone: letter(zone), lagBytes: meaning === serving ? 0 : null } : null;
  const lacksStandby = standby === null && meaning.server === "available";
  return { name, status: lacksStandby ? "degraded" : meaning.server, primary, standby };
}

/** As RDS says it, which it does late; until then it can only be the other one of two zones. */
function standbyZone(instance: DBInstance): string | undefined {
  if (!instance.MultiAZ) return undefined;
  if (instance.SecondaryAvailabilityZone) return instance.SecondaryAvailabilityZone;
  const subnets = instance.DBSubnetGroup?.Subnets ?? [];
  const zones = new Set(subnets.map((subnet) => subnet.SubnetAvailabilityZone?.Name));
  zones.delete(instance.AvailabilityZone);
  return zones.size === 1 ? [...zones][0] : undefined;
}

/** `eu-west-1a` is zone `a`. */
function letter(zone: string): string {
  return zone.slice(-1);
}
