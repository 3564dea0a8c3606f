import { awsNames, regionDocumentKey } from "../../resources.ts";
import type { RowhouseStack } from "../stack.ts";
import { type PolicyStatement, statement } from "./statement.ts";

export interface RecoveryScope {
  readonly stack: RowhouseStack;
  /** The recovery region. */
  readonly recovery: string;
}

/**
 * What a region's controller may do in its recovery region: put copies of backups and last exports there and remove
 * them, and make and remove replicas of its own servers. What is under that region's key it can close and not open, but
 * through services.
 */
export function recoveryStatements(scope: RecoveryScope): PolicyStatement[] {
  return [...objectStatements(scope), ...keyStatements(scope), ...replicaStatements(scope)];
}

function objectStatements({ stack, recovery }: RecoveryScope): PolicyStatement[] {
  const bucket = awsNames.bucket(stack.prefix, recovery, stack.at.accountId);
  return [
    statement(
      "RecoveryObjects",
      [
        "s3:AbortMultipartUpload",
        "s3:DeleteObject",
        "s3:DeleteObjectVersion",
        "s3:GetObject",
        "s3:GetObjectVersion",
        "s3:ListMultipartUploadParts",
        "s3:PutObject",
      ],
      ["tenants/*", "backups/*", "closed/*"].map((key) => stack.bucketArn(bucket, key)),
    ),
    statement("RecoveryDocument", ["s3:GetObject"], [stack.bucketArn(bucket, regionDocumentKey)]),
    statement("RecoveryListing", ["s3:ListBucket", "s3:ListBucketVersions"], [stack.bucketArn(bucket)]),
  ];
}

/** The other region's key is known by its alias alone. */
function keyStatements({ stack, recovery }: RecoveryScope): PolicyStatement[] {
  const keys = [stack.arn("kms", "key/*", recovery)];
  const alias = {
    "ForAnyValue:StringEquals": { "kms:ResourceAliases": [awsNames.keyAlias(stack.prefix)] },
  };
  const through = (...services: string[]) => ({
    StringEquals: { "kms:ViaService": services.map((service) => `${service}.${recovery}.amazonaws.com`) },
  });
  return [
    statement("RecoveryKey", ["kms:GenerateDataKey"], keys, alias),
    statement("RecoveryServicesKey", ["kms:Decrypt", "kms:DescribeKey"], keys, {
      ...through("s3", "secretsmanager", "rds"),
      ...alias,
    }),
    statement("ReplicaKey", ["kms:CreateGrant"], keys, {
      Bool: { "kms:GrantIsForAWSResource": "true" },
      ...alias,
    }),
  ];
}

function replicaStatements({ stack, recovery }: RecoveryScope): PolicyStatement[] {
  const { prefix } = stack;
  const replicas = stack.arn("rds", `db:${awsNames.replicas(prefix)}`, recovery);
  const groups = ["subgrp", "pg"].map((kind) => stack.arn("rds", `${kind}:${prefix}-*`, recovery));
  return [
    statement(
      "Replicas",
      ["rds:AddTagsToResource", "rds:CreateDBInstanceReadReplica"],
      [replicas, ...groups],
    ),
    statement("ReplicaDeletion", ["rds:DeleteDBInstance"], [replicas]),
    statement("ReplicaListing", ["rds:DescribeDBInstances"], [stack.arn("rds", "db:*", recovery)]),
    statement(
      "ReplicaLogins",
      [
        "secretsmanager:CreateSecret",
        "secretsmanager:DeleteSecret",
        "secretsmanager:GetSecretValue",
        "secretsmanager:PutSecretValue",
        "secretsmanager:TagResource",
      ],
      [
        stack.arn(
          "secretsmanager",
          `secret:${awsNames.replicaSecret(prefix, stack.at.region, "*")}`,
          recovery,
        ),
      ],
    ),
  ];
}
