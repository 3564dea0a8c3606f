import type { CreateDBInstanceCommandInput, DBInstance } from "@aws-sdk/client-rds";
import { fault } from "../../core/error.ts";
import type { DatabaseCredentials } from "../../ports/databases.ts";
import { awsNames, awsTags, type RegionResources } from "../resources.ts";

/** Major version; RDS takes the newest minor of it that it recommends, and its upgrades of the minor from then on. */
const postgresVersion = "18";

/** 20 is the least that gp3 has for Postgres; it grows by itself when less than a tenth is free. */
export const storageGibibytes = { initial: 20, most: 1_000 };

export const backupDays = 7;

export interface InstanceWish {
  readonly server: string;
  readonly size: "shared" | "dedicated";
  readonly administrator: DatabaseCredentials;
  readonly resources: Pick<RegionResources, "prefix" | "keyArn" | "databases">;
}

/**
 * Identifier of the server's instance.
 * @throws E_ARGUMENT when it would be longer than RDS's 63 characters
 */
export function instanceIdentifier(prefix: string, server: string): string {
  const identifier = awsNames.database(prefix, server);
  if (identifier.length <= 63) return identifier;
  throw fault("E_ARGUMENT", `The RDS instance's name ${identifier} is longer than 63 characters.`, {
    remedy: "Choose a shorter name for the server, or a shorter prefix for the deployment.",
  });
}

/**
 * Whether it is a server of this deployment: its identifier alone does not say so, as another prefix may end in a part of
 * it. A copy of another region's server is none.
 */
export function isOwn(instance: DBInstance, prefix: string): boolean {
  return tag(instance, awsTags.prefix) === prefix && replicaSource(instance, prefix) === undefined;
}

/** Which server of another region it copies; `undefined` of all but this deployment's copies. */
export function replicaSource(
  instance: DBInstance,
  prefix: string,
): { readonly source: string; readonly server: string } | undefined {
  const [source, server] = tag(instance, awsTags.replicaOf)?.split("/") ?? [];
  if (tag(instance, awsTags.prefix) !== prefix || source === undefined || server === undefined)
    return undefined;
  return { source, server };
}

/** The server's name, of an instance of this deployment. */
export function serverOf(instance: DBInstance, prefix: string): string {
  return tag(instance, awsTags.server) ?? instance.DBInstanceIdentifier?.slice(prefix.length + 1) ?? "";
}

function tag(instance: DBInstance, key: string): string | undefined {
  return instance.TagList?.find(({ Key }) => Key === key)?.Value;
}

/** The whole of what is asked of RDS. With Multi-AZ it chooses the two zones among the subnet group's itself. */
export function instanceParameters(wish: InstanceWish): CreateDBInstanceCommandInput {
  const { server, size, administrator, resources } = wish;
  const { subnetGroup, parameterGroup, securityGroupId, instanceClasses } = resources.databases;
  return {
    DBInstanceIdentifier: instanceIdentifier(resources.prefix, server),
    DBInstanceClass: instanceClasses[size],
    Engine: "postgres",
    EngineVersion: postgresVersion,
    AutoMinorVersionUpgrade: true,
    MasterUsername: administrator.user,
    MasterUserPassword: administrator.password,
    MultiAZ: true,
    DBSubnetGroupName: subnetGroup,
    VpcSecurityGroupIds: [securityGroupId],
    PubliclyAccessible: false,
    Port: 5432,
    DBParameterGroupName: parameterGroup,
    StorageType: "gp3",
    AllocatedStorage: storageGibibytes.initial,
    MaxAllocatedStorage: storageGibibytes.most,
    StorageEncrypted: true,
    KmsKeyId: resources.keyArn,
    BackupRetentionPeriod: backupDays,
    CopyTagsToSnapshot: true,
    DeletionProtection: true,
    EnablePerformanceInsights: true,
    PerformanceInsightsKMSKeyId: resources.keyArn,
    PerformanceInsightsRetentionPeriod: 7,
    Tags: [
      { Key: awsTags.prefix, Value: resources.prefix },
      { Key: awsTags.server, Value: server },
    ],
  };
}
