import { CfnRecordSet } from "aws-cdk-lib/aws-route53";
import { CfnSecret } from "aws-cdk-lib/aws-secretsmanager";
import type { Construct } from "constructs";
import type { Config } from "../../core/config/schema.ts";
import { awsNames, controlPlanePort, directoryDatabaseServer } from "../resources.ts";
import { addBalancerAlarms, addDatabaseAlarms } from "./alarms.ts";
import { addDatabase, addDatabaseGroup } from "./database.ts";
import { addFoundation, type Foundation } from "./foundation.ts";
import { controlHosts, type Layout, registryTableNames } from "./layout.ts";
import { addAlarmTopic } from "./messaging.ts";
import { controlPlaneStatements } from "./permissions/control-plane.ts";
import { addSecurityGroup, allow, postgresPort } from "./security-groups.ts";
import { addImage, addServer, addSingleGroup } from "./servers.ts";
import { logicalId, RowhouseStack } from "./stack.ts";
import type { ParameterSource } from "./template.ts";

/** Longer than a sign-up is waited for, and its events are streamed. */
const apiIdleSeconds = 900;

/** The control plane: the directory, the API and the sign-up page, in a network of their own. */
export function addGlobalStack(
  app: Construct,
  layout: Layout,
  inputs: { readonly hostedZoneId: ParameterSource },
): RowhouseStack {
  const { config, prefix, accountId } = layout;
  const region = config.aws.controlRegion;
  const stack = new RowhouseStack(app, {
    stackName: awsNames.globalStack(prefix),
    region,
    prefix,
    accountId,
    description: `Rowhouse: control plane of ${prefix}`,
  });
  const hostedZoneId = stack.input("HostedZoneId", inputs.hostedZoneId);
  const bucket = awsNames.bucket(prefix, "global", accountId);
  const foundation = addFoundation(stack, {
    config,
    hostedZoneId,
    keyAlias: `${prefix}-global`,
    bucket,
    registryTable: registryTableNames.global(prefix),
    zones: config.regions[region]?.zones ?? [],
    network: { index: 0, tiers: ["control"] },
    balancer: {
      name: "control",
      targetType: "instance",
      port: controlPlanePort,
      idleTimeoutSeconds: apiIdleSeconds,
    },
  });
  const { keyArn, network, balancer, registryTable } = foundation;
  addTokens(stack, Object.keys(config.regions));
  const { api, apex } = controlHosts(config.domain);
  new CfnRecordSet(stack, "RecordApi", {
    hostedZoneId,
    name: api,
    type: "A",
    aliasTarget: { dnsName: balancer.dnsName, hostedZoneId: balancer.hostedZoneId },
  });
  const tiers = addTiers(stack, foundation);
  addDirectory(stack, { config, foundation, securityGroupId: tiers.directory });
  addControlPlane(stack, layout, { foundation, bucket, securityGroupId: tiers.controlPlane });
  const topicArn = addAlarmTopic(stack, {
    name: "global-alarms",
    keyArn,
    emails: config.aws.alarmEmails,
  });
  addDatabaseAlarms(stack, { server: directoryDatabaseServer, topicArn });
  addBalancerAlarms(stack, { name: "control", balancer, topicArn });
  stack.outputs({
    Prefix: prefix,
    Region: region,
    AccountId: accountId,
    HostedZoneId: hostedZoneId,
    Bucket: bucket,
    KeyArn: keyArn,
    RegistryTable: registryTable,
    VpcId: network.vpcId,
    VpcCidr: network.cidr,
    ApiUrl: `https://${api}`,
    Url: `https://${apex}`,
    DataRouteTable: network.dataRouteTable,
    DirectorySecurityGroup: tiers.directory,
  });
  for (const [zone, table] of Object.entries(network.controlRouteTables))
    stack.outputs({ [logicalId("ControlRouteTable", zone)]: table });
  return stack;
}

/** The balancer reaches the control plane, and that the directory. The regions' controllers come with their peerings. */
function addTiers(stack: RowhouseStack, { network, balancer }: Foundation) {
  const { vpcId } = network;
  const controlPlane = addSecurityGroup(stack, {
    name: "control-plane",
    vpcId,
    description: "The control plane, behind its balancer",
    outwards: "anywhere",
  });
  const directory = addSecurityGroup(stack, {
    name: "directory",
    vpcId,
    description: "Database server of the directory",
    outwards: "nowhere",
  });
  allow(stack, "control-plane-from-balancer", {
    to: controlPlane,
    port: controlPlanePort,
    from: { group: balancer.securityGroupId },
    description: "Requests",
  });
  allow(stack, "directory-from-control-plane", {
    to: directory,
    port: postgresPort,
    from: { group: controlPlane },
    description: "The control plane",
  });
  return { controlPlane, directory };
}

function addDirectory(
  stack: RowhouseStack,
  parts: {
    readonly config: Config;
    readonly foundation: Foundation;
    readonly securityGroupId: string;
  },
): void {
  const { network, keyArn, protection } = parts.foundation;
  const { databaseClasses, logRetentionDays } = parts.config.aws;
  addDatabase(stack, {
    ...addDatabaseGroup(stack, { name: stack.named("directory"), network }),
    server: directoryDatabaseServer,
    instanceClass: databaseClasses.directory,
    securityGroupId: parts.securityGroupId,
    keyArn,
    protection,
    logRetentionDays,
  });
}

function addControlPlane(
  stack: RowhouseStack,
  { config, prefix, userData }: Layout,
  parts: {
    readonly foundation: Foundation;
    readonly bucket: string;
    readonly securityGroupId: string;
  },
): void {
  const { foundation, bucket, securityGroupId } = parts;
  const { keyArn, network, balancer } = foundation;
  const program = "control-plane";
  const server = addServer(stack, {
    program,
    instanceType: config.aws.instanceTypes.controlPlane,
    image: addImage(stack),
    userData: userData({ program, region: stack.at.region, prefix, bucket }),
    securityGroupId,
    statements: controlPlaneStatements({
      stack,
      bucket,
      keyArn,
      registryTable: registryTableNames.global(prefix),
      regions: Object.keys(config.regions),
      regionRegistryTable: registryTableNames.region(prefix),
    }),
  });
  const group = addSingleGroup(stack, server, {
    subnets: Object.values(network.subnets.control),
    targetGroupArn: balancer.targetGroupArn,
  });
  stack.outputs({
    ControlPlaneLaunchTemplate: server.launchTemplateId,
    ControlPlaneGroup: group,
  });
}

const tokenLength = 43;

/**
 * The platform's own token, the same in every region, and the first operator's. They are under Secrets Manager's own key,
 * which every region has.
 */
function addTokens(stack: RowhouseStack, regions: readonly string[]): void {
  const generateSecretString = { passwordLength: tokenLength, excludePunctuation: true };
  new CfnSecret(stack, "InternalToken", {
    name: awsNames.internalToken(stack.prefix),
    description: "What the platform's own processes show to each other",
    generateSecretString,
    replicaRegions: regions.filter((region) => region !== stack.at.region).map((region) => ({ region })),
  });
  new CfnSecret(stack, "OperatorToken", {
    name: awsNames.operatorToken(stack.prefix),
    description: "The first operator's token",
    generateSecretString,
  });
}
