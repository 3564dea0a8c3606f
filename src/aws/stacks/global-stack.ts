import { CfnRecordSet } from "aws-cdk-lib/aws-route53";
import { CfnSecret } from "aws-cdk-lib/aws-secretsmanager";
import type { Construct } from "constructs";
import { awsNames, controlPlanePort, directoryDatabaseServer } from "../resources.ts";
import { addBalancerAlarms, addDatabaseAlarms } from "./alarms.ts";
import { addDatabase, addDatabaseGroup } from "./database.ts";
import { addKey } from "./key.ts";
import { controlHosts, type Layout, registryTableNames } from "./layout.ts";
import { addLoadBalancer } from "./load-balancer.ts";
import { addAlarmTopic } from "./messaging.ts";
import { addNetwork } from "./network.ts";
import { controlPlaneStatements } from "./permissions/control-plane.ts";
import { addProtection } from "./protection.ts";
import { addSecurityGroup, allow, postgresPort } from "./security-groups.ts";
import { addImage, addServer, addSingleGroup } from "./servers.ts";
import { logicalId, RowhouseStack } from "./stack.ts";
import { addBuckets, addRegistryTable } from "./storage.ts";
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
  const { aws, domain } = config;
  const region = aws.controlRegion;
  const zones = config.regions[region]?.zones ?? [];
  const stack = new RowhouseStack(app, {
    stackName: awsNames.globalStack(prefix),
    region,
    prefix,
    accountId,
    description: `Rowhouse: control plane of ${prefix}`,
  });
  const hostedZoneId = stack.input("HostedZoneId", inputs.hostedZoneId);
  const protection = addProtection(stack);
  const keyArn = addKey(stack, `${prefix}-global`);
  const bucketName = awsNames.bucket(prefix, "global", accountId);
  const buckets = addBuckets(stack, { name: bucketName, keyArn, logRetentionDays: aws.logRetentionDays });
  const tableName = registryTableNames.global(prefix);
  const registryTable = addRegistryTable(stack, { name: tableName, keyArn, isProtected: protection.flag });
  addTokens(stack, Object.keys(config.regions));
  const network = addNetwork(stack, {
    index: 0,
    zones,
    tiers: ["control"],
    natGateways: aws.natGateways,
    logBucket: buckets.logs,
  });
  const balancer = addLoadBalancer(stack, {
    name: "control",
    network,
    domain,
    hostedZoneId,
    targetType: "instance",
    port: controlPlanePort,
    idleTimeoutSeconds: apiIdleSeconds,
    logBucket: buckets.logs,
    protection,
  });
  const { api, apex } = controlHosts(domain);
  new CfnRecordSet(stack, "RecordApi", {
    hostedZoneId,
    name: api,
    type: "A",
    aliasTarget: { dnsName: balancer.dnsName, hostedZoneId: balancer.hostedZoneId },
  });
  const controlPlane = addSecurityGroup(stack, {
    name: "control-plane",
    vpcId: network.vpcId,
    description: "The control plane, behind its balancer",
    outwards: "anywhere",
  });
  const directory = addSecurityGroup(stack, {
    name: "directory",
    vpcId: network.vpcId,
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
  const databaseGroup = addDatabaseGroup(stack, { name: stack.named("directory"), network });
  addDatabase(stack, {
    ...databaseGroup,
    server: directoryDatabaseServer,
    instanceClass: aws.databaseClasses.directory,
    securityGroupId: directory,
    keyArn,
    protection,
    logRetentionDays: aws.logRetentionDays,
  });
  const server = addServer(stack, {
    program: "control-plane",
    instanceType: aws.instanceTypes.controlPlane,
    image: addImage(stack),
    userData: layout.userData({ program: "control-plane", region, prefix, bucket: bucketName }),
    securityGroupId: controlPlane,
    statements: controlPlaneStatements({
      stack,
      bucket: bucketName,
      keyArn,
      registryTable: tableName,
      regions: Object.keys(config.regions),
      regionRegistryTable: registryTableNames.region(prefix),
    }),
  });
  const group = addSingleGroup(stack, server, {
    subnets: Object.values(network.subnets.control),
    targetGroupArn: balancer.targetGroupArn,
  });
  const topicArn = addAlarmTopic(stack, { name: "global-alarms", keyArn, emails: aws.alarmEmails });
  addDatabaseAlarms(stack, { server: directoryDatabaseServer, topicArn });
  addBalancerAlarms(stack, { name: "control", balancer, topicArn });
  const outputs = {
    Prefix: prefix,
    Region: region,
    AccountId: accountId,
    HostedZoneId: hostedZoneId,
    Bucket: buckets.data,
    KeyArn: keyArn,
    RegistryTable: registryTable,
    VpcId: network.vpcId,
    VpcCidr: network.cidr,
    ApiUrl: `https://${api}`,
    Url: `https://${apex}`,
    ControlPlaneLaunchTemplate: server.launchTemplateId,
    ControlPlaneGroup: group,
    DataRouteTable: network.dataRouteTable,
    DirectorySecurityGroup: directory,
  };
  for (const [key, value] of Object.entries(outputs)) stack.output(key, value);
  for (const [zone, table] of Object.entries(network.controlRouteTables)) {
    stack.output(logicalId("ControlRouteTable", zone), table);
  }
  return stack;
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
