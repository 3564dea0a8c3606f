import type { Construct } from "constructs";
import type { Config } from "../../core/config/schema.ts";
import { fault } from "../../core/error.ts";
import { awsNames, controllerPort, firstSharedServer, instancePort } from "../resources.ts";
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
import { addFoundation, type Foundation } from "./foundation.ts";
import { type Layout, registryTableNames } from "./layout.ts";
import { addAlarmTopic, addScaling } from "./messaging.ts";
import { controllerStatements, controllerStatementsElsewhere } from "./permissions/controller.ts";
import { instanceStatements } from "./permissions/instance.ts";
import type { PolicyStatement } from "./permissions/statement.ts";
import { addSecurityGroup, allow, cachePort, postgresPort } from "./security-groups.ts";
import { addFleetGroup, addImage, addServer, addSingleGroup, groupName, type Server } from "./servers.ts";
import { logicalId, RowhouseStack } from "./stack.ts";
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
  const { region, inputs } = options;
  const { zones = [], recovery } = config.regions[region] ?? {};
  const index = layout.networks[region];
  if (index === undefined)
    throw fault("E_ARGUMENT", `The region ${region} has no network in the address plan.`);
  const stack = new RowhouseStack(app, {
    stackName: awsNames.regionStack(prefix, region),
    region,
    prefix,
    accountId,
    description: `Rowhouse: ${prefix} in ${region}`,
  });
  const hostedZoneId = stack.input("HostedZoneId", inputs.hostedZoneId);
  const globalKeyArn = stack.input("GlobalKeyArn", inputs.globalKeyArn);
  const bucket = awsNames.bucket(prefix, region, accountId);
  const foundation = addFoundation(stack, {
    config,
    hostedZoneId,
    keyAlias: prefix,
    bucket,
    recovery,
    registryTable: registryTableNames.region(prefix),
    zones,
    network: { index, tiers: ["private", "control"] },
    balancer: {
      name: "app",
      targetType: "ip",
      port: instancePort,
      idleTimeoutSeconds: requestIdleSeconds,
    },
  });
  const tiers = addTiers(stack, foundation);
  const topics = addTopics(stack, { config, foundation });
  addData(stack, { config, foundation, tiers, topics });
  addServers(stack, layout, { foundation, tiers, topics, bucket, hostedZoneId, globalKeyArn });
  addQueueAlarms(stack, topics.alarms);
  addBalancerAlarms(stack, { name: "app", balancer: foundation.balancer, topicArn: topics.alarms });
  const { network, keyArn, registryTable, balancer } = foundation;
  stack.outputs({
    Prefix: prefix,
    Region: region,
    AccountId: accountId,
    NetworkIndex: String(index),
    Bucket: bucket,
    KeyArn: keyArn,
    RegistryTable: registryTable,
    VpcId: network.vpcId,
    BalancerDnsName: balancer.dnsName,
    TargetGroupArn: balancer.targetGroupArn,
    DataRouteTable: network.dataRouteTable,
    ControllerSecurityGroup: tiers.controller,
    AlarmTopicArn: topics.alarms,
  });
  for (const zone of zones) {
    stack.outputs({
      [logicalId("PrivateSubnet", zone)]: network.subnets.private[zone] ?? "",
      [logicalId("ControlRouteTable", zone)]: network.controlRouteTables[zone] ?? "",
    });
  }
  return stack;
}

/** ARNs of a region's topics. */
interface Topics {
  readonly alarms: string;
  readonly scaling: string;
}

function addTopics(
  stack: RowhouseStack,
  { config, foundation }: { readonly config: Config; readonly foundation: Foundation },
): Topics {
  const { keyArn } = foundation;
  const emails = config.aws.alarmEmails;
  return {
    alarms: addAlarmTopic(stack, { name: "alarms", keyArn, emails }),
    scaling: addScaling(stack, keyArn),
  };
}

/** The first shared database server, and the cache. */
function addData(
  stack: RowhouseStack,
  parts: {
    readonly config: Config;
    readonly foundation: Foundation;
    readonly tiers: Tiers;
    readonly topics: Topics;
  },
): void {
  const { foundation, tiers, topics } = parts;
  const { databaseClasses, cache: cacheConfig, logRetentionDays } = parts.config.aws;
  const { network, keyArn, protection } = foundation;
  const group = addDatabaseGroup(stack, { name: stack.named("databases"), network });
  addDatabase(stack, {
    ...group,
    server: firstSharedServer,
    instanceClass: databaseClasses.shared,
    securityGroupId: tiers.databases,
    keyArn,
    protection,
    logRetentionDays,
  });
  addDatabaseAlarms(stack, { server: firstSharedServer, topicArn: topics.alarms });
  const cache = addCache(stack, { cache: cacheConfig, network, securityGroupId: tiers.cache, keyArn });
  addCacheAlarms(stack, { shards: cache.shards, condition: cache.condition, topicArn: topics.alarms });
  stack.outputs({
    DatabaseSubnetGroup: group.subnetGroup,
    DatabaseParameterGroup: group.parameterGroup,
    DatabaseSecurityGroup: tiers.databases,
    DatabaseClassShared: databaseClasses.shared,
    DatabaseClassDedicated: databaseClasses.dedicated,
    CacheEndpoint: cache.endpoint,
  });
}

/** The security groups of the tiers, by name. */
type Tiers = Readonly<Record<"app" | "worker" | "controller" | "databases" | "cache", string>>;

/** Each tier is reached from the one before it, and by nobody else. */
function addTiers(stack: RowhouseStack, { network, balancer }: Foundation): Tiers {
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
  readonly foundation: Foundation;
  readonly tiers: Tiers;
  readonly topics: Topics;
  readonly bucket: string;
  readonly hostedZoneId: string;
  readonly globalKeyArn: string;
}

/** A rollout launches a new server beside each old one, and attaches it to the group. */
const surge = 2;

function addServers(stack: RowhouseStack, layout: Layout, options: ServersOptions): void {
  const { config, prefix } = layout;
  const { foundation, tiers, topics, bucket } = options;
  const { keyArn, network, balancer } = foundation;
  const scope = { stack, bucket, keyArn, registryTable: registryTableNames.region(prefix) };
  const image = addImage(stack);
  const add = (
    program: "app" | "worker" | "controller",
    statements: readonly PolicyStatement[],
    furtherStatements: readonly PolicyStatement[] = [],
  ) =>
    addServer(stack, {
      program,
      instanceType: config.aws.instanceTypes[program],
      image,
      userData: layout.userData({ program, region: stack.at.region, prefix, bucket }),
      securityGroupId: tiers[program],
      statements,
      furtherStatements,
    });
  const fleets = (["app", "worker"] as const).map((fleet) => {
    const server = add(fleet, instanceStatements(scope));
    const { max, scaleOutAbove, scaleInBelow } = config.fleets[fleet];
    const subnets = Object.values(network.subnets.private);
    const group = addFleetGroup(stack, server, { subnets, maxSize: max * surge });
    addFleetAlarms(stack, { fleet, group, scaleOutAbove, scaleInBelow, topics });
    outputServer(stack, server, group);
    return { ...server, group: groupName(stack, fleet) };
  });
  const controller = add(
    "controller",
    controllerStatements({
      ...scope,
      controlRegion: config.aws.controlRegion,
      globalKeyArn: options.globalKeyArn,
      hostedZoneId: options.hostedZoneId,
      targetGroupArn: balancer.targetGroupArn,
      fleets,
    }),
    controllerStatementsElsewhere({
      stack,
      controlRegion: config.aws.controlRegion,
      regions: Object.keys(config.regions),
      tables: { global: registryTableNames.global(prefix), region: registryTableNames.region(prefix) },
      recovery: config.regions[stack.at.region]?.recovery,
    }),
  );
  const subnets = Object.values(network.subnets.control);
  outputServer(stack, controller, addSingleGroup(stack, controller, { subnets }));
}

function outputServer(stack: RowhouseStack, server: Server, group: string): void {
  stack.outputs({
    [logicalId(server.program, "LaunchTemplate")]: server.launchTemplateId,
    [logicalId(server.program, "Group")]: group,
  });
}
