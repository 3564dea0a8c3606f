import { CfnCondition, CfnParameter, Fn } from "aws-cdk-lib";
import { CfnReplicationGroup, CfnSubnetGroup } from "aws-cdk-lib/aws-elasticache";
import type { AwsConfig } from "../../core/config/schema.ts";
import type { Network } from "./network.ts";
import type { RowhouseStack } from "./stack.ts";
import { templateParameters } from "./template.ts";

/** ElastiCache's own port. */
const cachePort = 6379;

export interface CacheOptions {
  readonly cache: AwsConfig["cache"];
  readonly network: Network;
  readonly securityGroupId: string;
  readonly keyArn: string;
}

/** The region's cache, unless the stack is given the endpoint of another. */
export interface AddedCache {
  /** `host:port` of the configuration endpoint. */
  readonly endpoint: string;
  /** Of each shard the names of its nodes, as ElastiCache makes them from the group's. */
  readonly shards: readonly (readonly string[])[];
  /** Logical id of the condition under which the stack makes the cache. */
  readonly condition: CfnCondition;
}

export function addCache(stack: RowhouseStack, options: CacheOptions): AddedCache {
  const { cache } = options;
  const given = new CfnParameter(stack, templateParameters.cacheEndpoint, {
    type: "String",
    default: "",
    description: "host:port of a Valkey cluster that there is already; empty makes one",
  });
  const condition = new CfnCondition(stack, "MakesCache", {
    expression: Fn.conditionEquals(given.valueAsString, ""),
  });
  const subnets = new CfnSubnetGroup(stack, "CacheSubnets", {
    cacheSubnetGroupName: stack.named("cache"),
    description: `Data subnets of ${stack.stackName}`,
    subnetIds: Object.values(options.network.subnets.data),
  });
  const groupId = stack.named("cache");
  const group = new CfnReplicationGroup(stack, "Cache", {
    replicationGroupId: groupId,
    replicationGroupDescription: `Cache of ${stack.stackName}`,
    engine: "valkey",
    engineVersion: "8.0",
    cacheParameterGroupName: "default.valkey8.cluster.on",
    cacheNodeType: cache.nodeType,
    numNodeGroups: cache.shards,
    replicasPerNodeGroup: cache.replicas,
    port: cachePort,
    automaticFailoverEnabled: true,
    multiAzEnabled: true,
    transitEncryptionEnabled: true,
    transitEncryptionMode: "required",
    atRestEncryptionEnabled: true,
    kmsKeyId: options.keyArn,
    cacheSubnetGroupName: subnets.ref,
    securityGroupIds: [options.securityGroupId],
    autoMinorVersionUpgrade: true,
    // What a cache holds can be had again: no snapshots.
    snapshotRetentionLimit: 0,
  });
  subnets.cfnOptions.condition = condition;
  group.cfnOptions.condition = condition;
  const own = Fn.join(":", [group.attrConfigurationEndPointAddress, group.attrConfigurationEndPointPort]);
  return {
    endpoint: Fn.conditionIf(condition.logicalId, own, given.valueAsString).toString(),
    shards: Array.from({ length: cache.shards }, (_, shard) =>
      Array.from({ length: cache.replicas + 1 }, (_, node) => nodeName(groupId, shard + 1, node + 1)),
    ),
    condition,
  };
}

/** As in `bookshop-cache-0001-002`. */
function nodeName(groupId: string, shard: number, node: number): string {
  return `${groupId}-${String(shard).padStart(4, "0")}-${String(node).padStart(3, "0")}`;
}
