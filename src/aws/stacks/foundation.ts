import type { Config } from "../../core/config/schema.ts";
import { addKey } from "./key.ts";
import { addLoadBalancer, type LoadBalancer, type LoadBalancerOptions } from "./load-balancer.ts";
import { addNetwork, type Network } from "./network.ts";
import { addProtection, type Protection } from "./protection.ts";
import { addReplication } from "./replication.ts";
import type { RowhouseStack } from "./stack.ts";
import { addBuckets, addRegistryTable } from "./storage.ts";

export interface FoundationOptions {
  readonly config: Config;
  readonly hostedZoneId: string;
  /** Of the key; without `alias/`. */
  readonly keyAlias: string;
  readonly bucket: string;
  /** Region that the bucket is copied to. */
  readonly recovery?: string | undefined;
  readonly registryTable: string;
  readonly zones: readonly string[];
  /** Number of the network in the address plan, and its subnets besides public and data ones. */
  readonly network: { readonly index: number; readonly tiers: readonly ("private" | "control")[] };
  readonly balancer: Pick<LoadBalancerOptions, "name" | "targetType" | "port" | "idleTimeoutSeconds">;
}

/** What a region and the control plane have alike: a key, a bucket, a registry, a network and the balancer before it. */
export interface Foundation {
  readonly protection: Protection;
  readonly keyArn: string;
  readonly registryTable: string;
  readonly network: Network;
  readonly balancer: LoadBalancer;
}

export function addFoundation(stack: RowhouseStack, options: FoundationOptions): Foundation {
  const { config, bucket, recovery } = options;
  const { natGateways, logRetentionDays } = config.aws;
  const protection = addProtection(stack);
  const keyArn = addKey(stack, options.keyAlias);
  const logBucket = addBuckets(stack, {
    name: bucket,
    keyArn,
    logRetentionDays,
    ...(recovery !== undefined && {
      replicationConfiguration: addReplication(stack, { bucket, keyArn, recovery }),
    }),
  });
  const registryTable = addRegistryTable(stack, {
    name: options.registryTable,
    keyArn,
    isProtected: protection.flag,
  });
  const network = addNetwork(stack, {
    ...options.network,
    zones: options.zones,
    natGateways,
    logBucket,
  });
  const balancer = addLoadBalancer(stack, {
    ...options.balancer,
    network,
    domain: config.domain,
    hostedZoneId: options.hostedZoneId,
    logBucket,
    protection,
  });
  return { protection, keyArn, registryTable, network, balancer };
}
