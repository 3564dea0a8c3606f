import { createHash } from "node:crypto";
import {
  type BucketLocationConstraint,
  CreateBucketCommand,
  PutBucketEncryptionCommand,
  PutBucketTaggingCommand,
  PutBucketVersioningCommand,
  PutObjectCommand,
  PutPublicAccessBlockCommand,
  type S3Client,
} from "@aws-sdk/client-s3";
import { isAwsError } from "../fault.ts";
import { awsTags } from "../resources.ts";
import type { Template } from "../stacks/template.ts";

/** Name of the bucket through which templates go to CloudFormation: one for each region, kept from deploy to deploy. */
export function deployBucket(prefix: string, accountId: string, region: string): string {
  return `${prefix}-deploy-${accountId}-${region}`;
}

/** Makes the bucket, or sees to it that it is as it should be: encrypted, versioned, and nobody else's. */
export async function ensureDeployBucket(
  client: S3Client,
  options: { readonly bucket: string; readonly region: string; readonly prefix: string },
): Promise<void> {
  const { bucket: Bucket, region, prefix } = options;
  const LocationConstraint = region as BucketLocationConstraint;
  // us-east-1 is the one location that must not be named. Source: Amazon S3 API, CreateBucket.
  const location = region === "us-east-1" ? {} : { CreateBucketConfiguration: { LocationConstraint } };
  try {
    await client.send(new CreateBucketCommand({ Bucket, ...location }));
  } catch (error) {
    if (!isAwsError(error, "BucketAlreadyOwnedByYou")) throw error;
  }
  await client.send(
    new PutPublicAccessBlockCommand({
      Bucket,
      PublicAccessBlockConfiguration: {
        BlockPublicAcls: true,
        IgnorePublicAcls: true,
        BlockPublicPolicy: true,
        RestrictPublicBuckets: true,
      },
    }),
  );
  const rule = { ApplyServerSideEncryptionByDefault: { SSEAlgorithm: "AES256" as const } };
  await client.send(
    new PutBucketEncryptionCommand({ Bucket, ServerSideEncryptionConfiguration: { Rules: [rule] } }),
  );
  await client.send(
    new PutBucketVersioningCommand({ Bucket, VersioningConfiguration: { Status: "Enabled" } }),
  );
  const TagSet = [{ Key: awsTags.prefix, Value: prefix }];
  await client.send(new PutBucketTaggingCommand({ Bucket, Tagging: { TagSet } }));
}

/** Stores a template under its hash; returns the URL for CloudFormation. */
export async function uploadTemplate(
  client: S3Client,
  bucket: string,
  { stackName, region, template }: Pick<Template, "stackName" | "region" | "template">,
): Promise<string> {
  const body = JSON.stringify(template);
  const hash = createHash("sha256").update(body).digest("hex");
  const key = `templates/${stackName}/${hash}.json`;
  await client.send(
    new PutObjectCommand({ Bucket: bucket, Key: key, Body: body, ContentType: "application/json" }),
  );
  return `https://${bucket}.s3.${region}.${region.startsWith("cn-") ? "amazonaws.com.cn" : "amazonaws.com"}/${key}`;
}
