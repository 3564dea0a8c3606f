import { CfnCondition, CfnParameter, Fn, type IResolvable } from "aws-cdk-lib";
import { CfnRole } from "aws-cdk-lib/aws-iam";
import { awsNames } from "../resources.ts";
import type { RowhouseStack } from "./stack.ts";
import { templateParameters } from "./template.ts";

/**
 * What a recovery region gets of the other's bucket. Software and releases it has of its own. Backups are not among it:
 * each is copied by the program that takes it, under a key that the recovery region can open alone, and S3 would lay the
 * original over that copy.
 */
const replicated = ["tenants/"];

/**
 * Copies tenants' files to the bucket of the recovery region, once the parameter says that it is there: two regions may be
 * each other's recovery region, so neither stack can wait for the other. The bucket's name and its key's alias are known.
 */
export function addReplication(
  stack: RowhouseStack,
  options: { readonly bucket: string; readonly keyArn: string; readonly recovery: string },
): IResolvable {
  const { bucket, keyArn, recovery } = options;
  const { accountId, region } = stack.at;
  const parameter = new CfnParameter(stack, templateParameters.replication, {
    type: "String",
    default: "off",
    allowedValues: ["on", "off"],
    description: `"on" once the bucket of ${recovery} is there`,
  });
  const condition = new CfnCondition(stack, "Replicates", {
    expression: Fn.conditionEquals(parameter.valueAsString, "on"),
  });
  const target = awsNames.bucket(stack.prefix, recovery, accountId);
  const role = new CfnRole(stack, "RoleReplication", {
    roleName: stack.named(`${region}-replication`),
    description: `Copies objects from ${region} to ${recovery}`,
    assumeRolePolicyDocument: {
      Version: "2012-10-17",
      Statement: [
        {
          Effect: "Allow",
          Principal: { Service: "s3.amazonaws.com" },
          Action: "sts:AssumeRole",
          Condition: { StringEquals: { "aws:SourceAccount": accountId } },
        },
      ],
    },
    policies: [
      {
        policyName: "replication",
        policyDocument: {
          Version: "2012-10-17",
          Statement: statements(stack, { bucket, keyArn, recovery, target }),
        },
      },
    ],
  });
  const configuration = {
    Role: role.attrArn,
    Rules: replicated.map((Prefix, index) => ({
      Id: Prefix.slice(0, -1),
      Priority: index + 1,
      Status: "Enabled",
      Filter: { Prefix },
      DeleteMarkerReplication: { Status: "Enabled" },
      SourceSelectionCriteria: { SseKmsEncryptedObjects: { Status: "Enabled" } },
      Destination: {
        Bucket: stack.bucketArn(target),
        EncryptionConfiguration: {
          ReplicaKmsKeyID: stack.arn("kms", awsNames.keyAlias(stack.prefix), recovery),
        },
      },
    })),
  };
  return Fn.conditionIf(condition.logicalId, configuration, { Ref: "AWS::NoValue" });
}

function statements(
  stack: RowhouseStack,
  names: {
    readonly bucket: string;
    readonly keyArn: string;
    readonly recovery: string;
    readonly target: string;
  },
): object[] {
  const { bucket, keyArn, recovery, target } = names;
  const objects = (name: string) => replicated.map((prefix) => stack.bucketArn(name, `${prefix}*`));
  return [
    {
      Effect: "Allow",
      Action: ["s3:GetReplicationConfiguration", "s3:ListBucket"],
      Resource: stack.bucketArn(bucket),
    },
    {
      Effect: "Allow",
      Action: ["s3:GetObjectVersionForReplication", "s3:GetObjectVersionAcl", "s3:GetObjectVersionTagging"],
      Resource: objects(bucket),
    },
    {
      Effect: "Allow",
      Action: ["s3:ReplicateObject", "s3:ReplicateDelete", "s3:ReplicateTags"],
      Resource: objects(target),
    },
    {
      Effect: "Allow",
      Action: "kms:Decrypt",
      Resource: keyArn,
      Condition: { StringEquals: { "kms:ViaService": `s3.${stack.at.region}.amazonaws.com` } },
    },
    // The other region's key is known by its alias alone.
    {
      Effect: "Allow",
      Action: "kms:Encrypt",
      Resource: stack.arn("kms", "key/*", recovery),
      Condition: {
        StringEquals: { "kms:ViaService": `s3.${recovery}.amazonaws.com` },
        "ForAnyValue:StringEquals": { "kms:ResourceAliases": awsNames.keyAlias(stack.prefix) },
      },
    },
  ];
}
