import { CfnCondition, CfnDeletionPolicy, CfnParameter, Fn } from "aws-cdk-lib";
import { CfnLogGroup } from "aws-cdk-lib/aws-logs";
import { CfnDBInstance, CfnDBParameterGroup, CfnDBSubnetGroup } from "aws-cdk-lib/aws-rds";
import { CfnSecret } from "aws-cdk-lib/aws-secretsmanager";
import { administratorRole } from "../rds/administrator.ts";
import { awsNames, awsTags } from "../resources.ts";
import type { Network } from "./network.ts";
import type { Protection } from "./protection.ts";
import type { RowhouseStack } from "./stack.ts";
import { templateParameters } from "./template.ts";

/** What all database servers of a network share. */
export interface DatabaseGroup {
  readonly subnetGroup: string;
  readonly parameterGroup: string;
  readonly subnets: CfnDBSubnetGroup;
}

/** As on the embedded engine, whatever the memory of the class: budgets are reckoned against it. */
export const databaseConnections = 500;

/** Of each server: one slot for its replica in the recovery region, and one for each tenant that is being moved away. */
const replicationSlots = 50;

/**
 * What a slot whose reader is away may keep: less than half of a new server's disk. A replica that misses more is made
 * anew, and a move begins again; without a limit (RDS's default) the server would stop with a full disk.
 */
const slotMebibytes = 8_192;

export function addDatabaseGroup(
  stack: RowhouseStack,
  options: { readonly name: string; readonly network: Network },
): DatabaseGroup {
  const given = new CfnParameter(stack, templateParameters.databaseParameterGroup, {
    type: "String",
    default: "",
    description: "A parameter group for Postgres 18 that there is already; empty makes one",
  });
  const condition = new CfnCondition(stack, "MakesDatabaseParameters", {
    expression: Fn.conditionEquals(given.valueAsString, ""),
  });
  const subnets = new CfnDBSubnetGroup(stack, "DatabaseSubnets", {
    dbSubnetGroupName: options.name,
    dbSubnetGroupDescription: `Data subnets of ${stack.stackName}`,
    subnetIds: Object.values(options.network.subnets.data),
  });
  const parameters = new CfnDBParameterGroup(stack, "DatabaseParameters", {
    dbParameterGroupName: `${options.name}-postgres18`,
    description: `Postgres 18 of ${stack.stackName}`,
    family: "postgres18",
    parameters: {
      "rds.force_ssl": "1",
      // For replicas in other regions, and for moving a tenant while it is served.
      "rds.logical_replication": "1",
      max_replication_slots: String(replicationSlots),
      max_wal_senders: String(replicationSlots),
      max_slot_wal_keep_size: String(slotMebibytes),
      max_connections: String(databaseConnections),
      log_connections: "1",
      log_disconnections: "1",
      log_lock_waits: "1",
      // Nothing of a statement's values gets into the logs.
      log_statement: "none",
      log_min_duration_statement: "-1",
      log_parameter_max_length: "0",
      log_parameter_max_length_on_error: "0",
      log_temp_files: "10240",
    },
  });
  parameters.cfnOptions.condition = condition;
  return {
    subnetGroup: options.name,
    parameterGroup: Fn.conditionIf(condition.logicalId, parameters.ref, given.valueAsString).toString(),
    subnets,
  };
}

export interface DatabaseOptions extends DatabaseGroup {
  readonly server: string;
  readonly instanceClass: string;
  readonly securityGroupId: string;
  readonly keyArn: string;
  readonly protection: Protection;
  readonly logRetentionDays: number;
}

const storageGibibytes = { initial: 20, most: 1_000 };
const backupDays = 7;

/** A server with a standby in a second zone, made as the adapter makes those of tenants; and its administrator's secret. */
export function addDatabase(stack: RowhouseStack, options: DatabaseOptions): CfnDBInstance {
  const secretName = awsNames.databaseSecret(stack.prefix, options.server);
  const secret = new CfnSecret(stack, "DatabaseSecret", {
    name: secretName,
    description: `Administrator of Rowhouse's database server ${options.server}`,
    kmsKeyId: options.keyArn,
    generateSecretString: {
      secretStringTemplate: JSON.stringify({ username: administratorRole }),
      generateStringKey: "password",
      passwordLength: 43,
      excludePunctuation: true,
    },
    tags: [{ key: awsTags.server, value: options.server }],
  });
  const identifier = awsNames.database(stack.prefix, options.server);
  const instance = new CfnDBInstance(stack, "Database", {
    dbInstanceIdentifier: identifier,
    dbInstanceClass: options.instanceClass,
    engine: "postgres",
    engineVersion: "18",
    autoMinorVersionUpgrade: true,
    masterUsername: administratorRole,
    masterUserPassword: `{{resolve:secretsmanager:${secretName}:SecretString:password}}`,
    multiAz: true,
    dbSubnetGroupName: options.subnets.ref,
    vpcSecurityGroups: [options.securityGroupId],
    publiclyAccessible: false,
    port: "5432",
    dbParameterGroupName: options.parameterGroup,
    storageType: "gp3",
    allocatedStorage: String(storageGibibytes.initial),
    maxAllocatedStorage: storageGibibytes.most,
    storageEncrypted: true,
    kmsKeyId: options.keyArn,
    backupRetentionPeriod: backupDays,
    copyTagsToSnapshot: true,
    deletionProtection: options.protection.flag,
    enablePerformanceInsights: true,
    performanceInsightsKmsKeyId: options.keyArn,
    performanceInsightsRetentionPeriod: 7,
    enableCloudwatchLogsExports: ["postgresql", "upgrade"],
    tags: [{ key: awsTags.server, value: options.server }],
  });
  instance.cfnOptions.deletionPolicy = CfnDeletionPolicy.SNAPSHOT;
  instance.cfnOptions.updateReplacePolicy = CfnDeletionPolicy.SNAPSHOT;
  instance.addResourceDependency(secret);
  for (const log of ["postgresql", "upgrade"]) {
    // RDS would make them itself, and keep the logs for ever.
    const group = new CfnLogGroup(stack, `DatabaseLog${log}`, {
      logGroupName: `/aws/rds/instance/${identifier}/${log}`,
      retentionInDays: options.logRetentionDays,
    });
    group.cfnOptions.deletionPolicy = CfnDeletionPolicy.DELETE;
    group.cfnOptions.updateReplacePolicy = CfnDeletionPolicy.DELETE;
    instance.addResourceDependency(group);
  }
  return instance;
}
