import { CfnDeletionPolicy, type CfnResource } from "aws-cdk-lib";
import { CfnTable } from "aws-cdk-lib/aws-dynamodb";
import { CfnBucket, CfnBucketPolicy } from "aws-cdk-lib/aws-s3";
import type { RowhouseStack } from "./stack.ts";

/** Deleting the stack leaves it, with what is in it. */
export function retain(resource: CfnResource): void {
  resource.cfnOptions.deletionPolicy = CfnDeletionPolicy.RETAIN;
  resource.cfnOptions.updateReplacePolicy = CfnDeletionPolicy.RETAIN;
}

export const blockPublicAccess = {
  blockPublicAcls: true,
  blockPublicPolicy: true,
  ignorePublicAcls: true,
  restrictPublicBuckets: true,
};

const unfinishedUploadDays = 7;
/** An object that was deleted or overwritten can be had back for so long. */
const nonCurrentVersionDays = 30;

export interface BucketOptions {
  readonly name: string;
  readonly keyArn: string;
  readonly logRetentionDays: number;
  readonly replicationConfiguration?: CfnBucket["replicationConfiguration"];
}

/** The bucket for a region's objects, and beside it the one for logs of access. Returns the latter's name. */
export function addBuckets(stack: RowhouseStack, options: BucketOptions): string {
  const logs = addLogBucket(stack, `${options.name}-logs`, options.logRetentionDays);
  const { replicationConfiguration } = options;
  const bucket = new CfnBucket(stack, "Bucket", {
    bucketName: options.name,
    bucketEncryption: {
      serverSideEncryptionConfiguration: [
        {
          // One data key of KMS serves many objects for a while, instead of a call for each object.
          bucketKeyEnabled: true,
          serverSideEncryptionByDefault: { sseAlgorithm: "aws:kms", kmsMasterKeyId: options.keyArn },
        },
      ],
    },
    publicAccessBlockConfiguration: blockPublicAccess,
    ownershipControls: { rules: [{ objectOwnership: "BucketOwnerEnforced" }] },
    versioningConfiguration: { status: "Enabled" },
    loggingConfiguration: { destinationBucketName: logs, logFilePrefix: "objects/" },
    lifecycleConfiguration: {
      rules: [
        {
          id: "unfinished-uploads",
          status: "Enabled",
          abortIncompleteMultipartUpload: { daysAfterInitiation: unfinishedUploadDays },
        },
        {
          id: "non-current-versions",
          status: "Enabled",
          noncurrentVersionExpiration: { noncurrentDays: nonCurrentVersionDays },
          expiredObjectDeleteMarker: true,
        },
      ],
    },
    ...(replicationConfiguration && { replicationConfiguration }),
  });
  retain(bucket);
  bucket.addResourceDependency(stack.node.findChild("LogBucketPolicy") as CfnBucketPolicy);
  addBucketPolicy(stack, "BucketPolicy", options.name, bucket, []);
  return logs;
}

/**
 * Lets services of AWS write logs into it, each below its own prefix and for this account only. It can't be under the own
 * key: the balancer writes into buckets under S3's alone. Source: Elastic Load Balancing, "Enable access logs".
 */
function addLogBucket(stack: RowhouseStack, name: string, retentionDays: number): string {
  const bucket = new CfnBucket(stack, "LogBucket", {
    bucketName: name,
    bucketEncryption: {
      serverSideEncryptionConfiguration: [{ serverSideEncryptionByDefault: { sseAlgorithm: "AES256" } }],
    },
    publicAccessBlockConfiguration: blockPublicAccess,
    ownershipControls: { rules: [{ objectOwnership: "BucketOwnerEnforced" }] },
    lifecycleConfiguration: {
      rules: [
        {
          id: "retention",
          status: "Enabled",
          expirationInDays: retentionDays,
          abortIncompleteMultipartUpload: { daysAfterInitiation: unfinishedUploadDays },
        },
      ],
    },
  });
  retain(bucket);
  const fromThisAccount = { StringEquals: { "aws:SourceAccount": stack.at.accountId } };
  const write = (service: string, folder: string) => ({
    Effect: "Allow",
    Principal: { Service: service },
    Action: "s3:PutObject",
    Resource: stack.bucketArn(name, `${folder}/*`),
    Condition: fromThisAccount,
  });
  addBucketPolicy(stack, "LogBucketPolicy", name, bucket, [
    write("logging.s3.amazonaws.com", "objects"),
    write("delivery.logs.amazonaws.com", `AWSLogs/${stack.at.accountId}`),
    // The balancer's own condition key would need its ARN, which does not exist before its logs are switched on.
    {
      Effect: "Allow",
      Principal: { Service: "logdelivery.elasticloadbalancing.amazonaws.com" },
      Action: "s3:PutObject",
      Resource: stack.bucketArn(name, `balancer/AWSLogs/${stack.at.accountId}/*`),
    },
    {
      Effect: "Allow",
      Principal: { Service: "delivery.logs.amazonaws.com" },
      Action: ["s3:GetBucketAcl", "s3:ListBucket"],
      Resource: stack.bucketArn(name),
      Condition: fromThisAccount,
    },
  ]);
  return name;
}

/** Nothing without TLS, and the statements. */
export function addBucketPolicy(
  stack: RowhouseStack,
  id: string,
  name: string,
  bucket: CfnBucket,
  statements: readonly object[],
): void {
  const policy = new CfnBucketPolicy(stack, id, {
    bucket: name,
    policyDocument: {
      Version: "2012-10-17",
      Statement: [
        {
          Sid: "OnlyTls",
          Effect: "Deny",
          Principal: "*",
          Action: "s3:*",
          Resource: [stack.bucketArn(name), stack.bucketArn(name, "*")],
          Condition: { Bool: { "aws:SecureTransport": "false" } },
        },
        ...statements,
      ],
    },
  });
  policy.addResourceDependency(bucket);
}

/** A registry's table. */
export function addRegistryTable(
  stack: RowhouseStack,
  options: {
    readonly name: string;
    readonly keyArn: string;
    readonly isProtected: CfnTable["deletionProtectionEnabled"];
  },
): string {
  const table = new CfnTable(stack, "RegistryTable", {
    tableName: options.name,
    billingMode: "PAY_PER_REQUEST",
    keySchema: [
      { attributeName: "domain", keyType: "HASH" },
      { attributeName: "name", keyType: "RANGE" },
    ],
    attributeDefinitions: [
      { attributeName: "domain", attributeType: "S" },
      { attributeName: "name", attributeType: "S" },
    ],
    pointInTimeRecoverySpecification: { pointInTimeRecoveryEnabled: true },
    sseSpecification: { sseEnabled: true, sseType: "KMS", kmsMasterKeyId: options.keyArn },
    ...(options.isProtected !== undefined && { deletionProtectionEnabled: options.isProtected }),
  });
  retain(table);
  return table.ref;
}
