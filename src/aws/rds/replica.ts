import type { CreateDBInstanceReadReplicaCommandInput, DBInstance } from "@aws-sdk/client-rds";
import type { ReplicaStatus } from "../../ports/replicas.ts";
import { awsNames, awsTags, type RegionResources } from "../resources.ts";
import { storageGibibytes } from "./instance.ts";
import { isBroken, statusMeaning } from "./status.ts";

/** Which server of which region. */
export interface ReplicaName {
  readonly source: string;
  readonly server: string;
}

/** What RDS makes replicas of a region's servers from. */
export type ReplicaResources = Pick<RegionResources, "prefix" | "accountId" | "keyArn" | "databases">;

/**
 * The whole of what is asked of RDS; what is missing, as the class and the port, is the source's. One node: a second one
 * is for when it takes writes. The SDK signs the request for the source's region too, which the ARN names.
 */
export function replicaParameters(
  { source, server }: ReplicaName,
  resources: ReplicaResources,
): CreateDBInstanceReadReplicaCommandInput {
  const { prefix, accountId, keyArn, databases } = resources;
  const partition = keyArn.split(":")[1] ?? "aws";
  const instance = awsNames.database(prefix, server);
  return {
    DBInstanceIdentifier: awsNames.replica(prefix, source, server),
    SourceDBInstanceIdentifier: `arn:${partition}:rds:${source}:${accountId}:db:${instance}`,
    DBSubnetGroupName: databases.subnetGroup,
    VpcSecurityGroupIds: [databases.securityGroupId],
    DBParameterGroupName: databases.parameterGroup,
    MultiAZ: false,
    PubliclyAccessible: false,
    AutoMinorVersionUpgrade: true,
    StorageType: "gp3",
    MaxAllocatedStorage: storageGibibytes.most,
    KmsKeyId: keyArn,
    CopyTagsToSnapshot: true,
    EnablePerformanceInsights: true,
    PerformanceInsightsKMSKeyId: keyArn,
    PerformanceInsightsRetentionPeriod: 7,
    Tags: [
      { Key: awsTags.prefix, Value: prefix },
      { Key: awsTags.replicaOf, Value: `${source}/${server}` },
    ],
  };
}

/** RDS's words for a replica that will never follow again. */
const ended = new Set(["error", "terminated"]);

/** What RDS says of it; how far it is behind, RDS tells CloudWatch alone. One that is being promoted counts as following. */
export function replicaStatus(instance: DBInstance): ReplicaStatus["status"] {
  const following = instance.StatusInfos?.find(({ StatusType }) => StatusType === "read replication");
  if (isBroken(instance.DBInstanceStatus) || ended.has(following?.Status ?? "")) return "broken";
  return statusMeaning(instance.DBInstanceStatus).server === "creating" ? "creating" : "following";
}

/** Until it is promoted; RDS names the source by its ARN. */
export function follows({ ReadReplicaSourceDBInstanceIdentifier: source }: DBInstance): boolean {
  return source !== undefined && source !== "";
}
