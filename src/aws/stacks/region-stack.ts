import type { Construct } from "constructs";
import { fault } from "../../core/error.ts";
import { awsNames, controllerPort, firstSharedServer, instancePort } from "../resources.ts";
import type { ServerProgram } from "../user-data.ts";
import { controlCidr } from "./address-plan.ts";
import {
  addBalancerAlarms,
  addCacheAlarms,
  addDatabaseAlarms,
  addFleetAlarms,
  addQueueAlarms,
} from "./alarms.ts";
import { addCache } from "./cache.ts";
import { addDatabase, addDatabaseGroup } from "./database.ts";
import { addKey } from "./key.ts";
import { type Layout, registryTableNames } from "./layout.ts";
import { addLoadBalancer, type LoadBalancer } from "./load-balancer.ts";
import { addAlarmTopic, addScaling } from "./messaging.ts";
import { addNetwork, type Network } from "./network.ts";
import { controllerStatements } from "./permissions/controller.ts";
import { instanceStatements, type RegionScope } from "./permissions/instance.ts";
import { addProtection } from "./protection.ts";
import { addReplication } from "./replication.ts";
import { addSecurityGroup, allow, cachePort, postgresPort } from "./security-groups.ts";
import { addFleetGroup, addImage, addServer, addSingleGroup, groupName } from "./servers.ts";
import { logicalId, RowhouseStack } from "./stack.ts";
import { addBuckets, addRegistryTable } from "./storage.ts";
import type { ParameterSource } from "./template.ts";

/** What a region's stack takes from those before it. */
export interface RegionInputs {
  readonly hostedZoneId: ParameterSource;
  readonly globalKeyArn: ParameterSource;
}

const requestIdleSeconds = 120;

/** A region: everything that its tenants' requests and data pass through, and the controller that looks after it. */
export function addRegionStack(
  app: Construct,
  layout: Layout,
  options: { readonly region: string; readonly inputs: RegionInputs },
): RowhouseStack {
  const { config, prefix, accountId } = layout;
  const { region } = options;
  const { aws } = config;
  const zones = config.regions[region]?.zones ?? [];
  const network = layout.networks[region];
  if (network === undefined)
    throw fault("E_ARGUMENT", `The region ${region} has no network in the address plan.`);
  const stack = new RowhouseStack(app, {
    stackName: awsNames.regionStack(prefix, region),
    region,
    prefix,
    accountId,
    description: `Rowhouse: ${prefix} in ${region}`,
  });
  const hostedZoneId = stack.input("HostedZoneId", options.inputs.hostedZoneId);
  const globalKeyArn = stack.input("GlobalKeyArn", options.inputs.globalKeyArn);
  const protection = addProtection(stack);
  const keyArn = addKey(stack, prefix);
  const bucketName = awsNames.bucket(prefix, region, accountId);
  const recovery = config.regions[region]?.recovery;
  const buckets = addBuckets(stack, {
    name: bucketName,
    keyArn,
    logRetentionDays: aws.logRetentionDays,
    ...(recovery !== undefined && {
      replicationConfiguration: addReplication(stack, { bucket: bucketName, keyArn, recovery }),
    }),
  });
  const registryTable = addRegistryTable(stack, {
    name: registryTableNames.region(prefix),
    keyArn,
    isProtected: protection.flag,
  });
  const net = addNetwork(stack, {
    index: network,
    zones,
    tiers: ["private", "control"],
    natGateways: aws.natGateways,
    logBucket: buckets.logs,
  });
  const balancer = addLoadBalancer(stack, {
    name: "app",
    network: net,
    domain: config.domain,
    hostedZoneId,
    targetType: "ip",
    port: instancePort,
    idleTimeoutSeconds: requestIdleSeconds,
    logBucket: buckets.logs,
    protection,
  });
  const groups = addTiers(stack, net, balancer);
  const databaseGroup = addDatabaseGroup(stack, { name: stack.named("databases"), network: net });
  addDatabase(stack, {
    ...databaseGroup,
    server: firstSharedServer,
    instanceClass: aws.databaseClasses.shared,
    securityGroupId: groups.databases,
    keyArn,
    protection,
    logRetentionDays: aws.logRetentionDays,
  });
  const cache = addCache(stack, { cache: aws.cache, network: net, securityGroupId: groups.cache, keyArn });
  const alarmTopicArn = addAlarmTopic(stack, { name: "alarms", keyArn, emails: aws.alarmEmails });
  const scalingTopicArn = addScaling(stack, keyArn);
  addServers(stack, layout, {
    network: net,
    groups,
    scope: { stack, bucket: bucketName, keyArn, registryTable: registryTableNames.region(prefix) },
    controller: {
      controlRegion: aws.controlRegion,
      globalKeyArn,
      hostedZoneId,
      targetGroupArn: balancer.targetGroupArn,
      alarmTopicArn,
    },
    scalingTopicArn,
  });
  addDatabaseAlarms(stack, { server: firstSharedServer, topicArn: alarmTopicArn });
  addCacheAlarms(stack, { shards: cache.shards, condition: cache.condition, topicArn: alarmTopicArn });
  addQueueAlarms(stack, alarmTopicArn);
  addBalancerAlarms(stack, { name: "app", balancer, topicArn: alarmTopicArn });
  const outputs = {
    Prefix: prefix,
    Region: region,
    AccountId: accountId,
    NetworkIndex: String(network),
    Bucket: buckets.data,
    KeyArn: keyArn,
    RegistryTable: registryTable,
    VpcId: net.vpcId,
    DatabaseSubnetGroup: databaseGroup.subnetGroup,
    DatabaseParameterGroup: databaseGroup.parameterGroup,
    DatabaseSecurityGroup: groups.databases,
    DatabaseClassShared: aws.databaseClasses.shared,
    DatabaseClassDedicated: aws.databaseClasses.dedicated,
    CacheEndpoint: cache.endpoint,
    BalancerDnsName: balancer.dnsName,
    TargetGroupArn: balancer.targetGroupArn,
    AlarmTopicArn: alarmTopicArn,
  };
  for (const [key, value] of Object.entries(outputs)) stack.output(key, value);
  for (const zone of zones) {
    stack.output(logicalId("PrivateSubnet", zone), net.subnets.private[zone] ?? "");
    stack.output(logicalId("ControlRouteTable", zone), net.controlRouteTables[zone] ?? "");
  }
  return stack;
}

/** The security groups of the tiers, by name. */
type Tiers = Readonly<Record<"app" | "worker" | "controller" | "databases" | "cache", string>>;

/** Each tier is reached from the one before it, and by nobody else. */
function addTiers(stack: RowhouseStack, network: Network, balancer: LoadBalancer): Tiers {
  const { vpcId } = network;
  const server = (name: string, description: string) =>
    addSecurityGroup(stack, { name, vpcId, description, outwards: "anywhere" });
  const data = (name: string, description: string) =>
    addSecurityGroup(stack, { name, vpcId, description, outwards: "nowhere" });
  const tiers: Tiers = {
    app: server("app", "App instances, behind the balancer"),
    worker: server("worker", "Worker instances, which nobody calls"),
    controller: server("controller", "Controller of the region"),
    databases: data("databases", "Database servers"),
    cache: data("cache", "The cache"),
  };
  allow(stack, "app-from-balancer", {
    to: tiers.app,
    port: instancePort,
    from: { group: balancer.securityGroupId },
    description: "Requests",
  });
  allow(stack, "app-from-controller", {
    to: tiers.app,
    port: instancePort,
    from: { group: tiers.controller },
    description: "Calls of the platform itself",
  });
  allow(stack, "controller-from-control-plane", {
    to: tiers.controller,
    port: controllerPort,
    from: { cidr: controlCidr(0) },
    description: "The control plane, through the peering",
  });
  for (const program of ["app", "worker", "controller"] as const) {
    const from = { group: tiers[program] };
    allow(stack, `databases-from-${program}`, {
      to: tiers.databases,
      port: postgresPort,
      from,
      description: program,
    });
    allow(stack, `cache-from-${program}`, { to: tiers.cache, port: cachePort, from, description: program });
  }
  return tiers;
}

interface ServersOptions {
  readonly network: Network;
  readonly groups: Tiers;
  readonly scope: RegionScope;
  readonly controller: {
    readonly controlRegion: string;
    readonly globalKeyArn: string;
    readonly hostedZoneId: string;
    readonly targetGroupArn: string;
    readonly alarmTopicArn: string;
  };
  readonly scalingTopicArn: string;
}

/** A rollout launches a new server beside each old one, and attaches it to the group. */
const surge = 2;

function addServers(stack: RowhouseStack, layout: Layout, options: ServersOptions): void {
  const { config, prefix } = layout;
  const { network, groups, scope, controller } = options;
  const image = addImage(stack);
  const userData = (program: ServerProgram) =>
    layout.userData({ program, region: stack.at.region, prefix, bucket: scope.bucket });
  const fleets = (["app", "worker"] as const).map((fleet) => {
    const server = addServer(stack, {
      program: fleet,
      instanceType: config.aws.instanceTypes[fleet],
      image,
      userData: userData(fleet),
      securityGroupId: groups[fleet],
      statements: instanceStatements(scope),
    });
    const { max, scaleOutAbove, scaleInBelow } = config.fleets[fleet];
    const group = addFleetGroup(stack, server, {
      subnets: Object.values(network.subnets.private),
      maxSize: max * surge,
    });
    addFleetAlarms(stack, {
      fleet,
      group,
      scaleOutAbove,
      scaleInBelow,
      alarmTopicArn: controller.alarmTopicArn,
      scalingTopicArn: options.scalingTopicArn,
    });
    outputServer(stack, fleet, server.launchTemplateId, group);
    return { ...server, group: groupName(stack, fleet) };
  });
  const server = addServer(stack, {
    program: "controller",
    instanceType: config.aws.instanceTypes.controller,
    image,
    userData: userData("controller"),
    securityGroupId: groups.controller,
    statements: controllerStatements({ ...scope, ...controller, fleets }),
  });
  const group = addSingleGroup(stack, server, { subnets: Object.values(network.subnets.control) });
  outputServer(stack, "controller", server.launchTemplateId, group);
}

function outputServer(stack: RowhouseStack, program: string, launchTemplateId: string, group: string): void {
  stack.output(logicalId(program, "LaunchTemplate"), launchTemplateId);
  stack.output(logicalId(program, "Group"), group);
}
