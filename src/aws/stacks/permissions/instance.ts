import { awsNames } from "../../resources.ts";
import type { RowhouseStack } from "../stack.ts";
import { type PolicyStatement, statement } from "./statement.ts";

/** What the policies of a region's programs name. */
export interface RegionScope {
  readonly stack: RowhouseStack;
  readonly bucket: string;
  readonly keyArn: string;
  readonly registryTable: string;
}

/** What an instance of the fleets app and worker may do: the data side of its region. */
export function instanceStatements({ stack, bucket, keyArn, registryTable }: RegionScope): PolicyStatement[] {
  const { prefix } = stack;
  return [
    statement(
      "Software",
      ["s3:GetObject"],
      ["rowhouse/*", "releases/*"].map((key) => stack.bucketArn(bucket, key)),
    ),
    statement(
      "TenantsFiles",
      [
        "s3:GetObject",
        "s3:GetObjectVersion",
        "s3:PutObject",
        "s3:DeleteObject",
        "s3:AbortMultipartUpload",
        "s3:ListMultipartUploadParts",
      ],
      [stack.bucketArn(bucket, "tenants/*")],
    ),
    // Without it S3 answers a question for what is not there with "access denied".
    statement("Listing", ["s3:ListBucket", "s3:ListBucketVersions"], [stack.bucketArn(bucket)]),
    statement("Key", ["kms:Decrypt", "kms:GenerateDataKey"], [keyArn]),
    statement(
      "Registry",
      ["dynamodb:GetItem", "dynamodb:UpdateItem", "dynamodb:Query"],
      [stack.arn("dynamodb", `table/${registryTable}`)],
    ),
    statement("DatabaseEndpoints", ["rds:DescribeDBInstances"], [stack.arn("rds", `db:${prefix}-*`)]),
    statement(
      "Secrets",
      ["secretsmanager:GetSecretValue"],
      [awsNames.internalToken(prefix), awsNames.controlLogin(prefix, "rowhouse_region")].map((name) =>
        secretArn(stack, name),
      ),
    ),
    statement(
      "Queues",
      [
        "sqs:ChangeMessageVisibility",
        "sqs:DeleteMessage",
        "sqs:GetQueueAttributes",
        "sqs:GetQueueUrl",
        "sqs:ReceiveMessage",
        "sqs:SendMessage",
      ],
      [stack.arn("sqs", `${prefix}-*`)],
    ),
    // Tenants send under domains of their own, each an identity of the account.
    statement("Mail", ["ses:SendEmail", "ses:SendRawEmail"], [stack.arn("ses", "identity/*")]),
  ];
}

/** Secrets Manager adds six characters of its own to a secret's name. */
export function secretArn(stack: RowhouseStack, name: string, region?: string): string {
  return stack.arn("secretsmanager", `secret:${name}-??????`, region);
}
