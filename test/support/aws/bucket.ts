import {
  CreateBucketCommand,
  DeleteBucketCommand,
  PutBucketEncryptionCommand,
  PutBucketTaggingCommand,
  PutBucketVersioningCommand,
  S3Client,
} from "@aws-sdk/client-s3";
import { type AwsAccess, createAwsClient } from "../../../src/aws/client.ts";

/** An empty bucket as a region's is: with versions, encrypted, private. `remove` wants it empty. */
export async function createTestBucket(
  access: AwsAccess,
  prefix: string,
): Promise<{ readonly client: S3Client; readonly bucket: string; remove(): Promise<void> }> {
  const client = createAwsClient(S3Client, access, { forcePathStyle: access.endpoint !== undefined });
  const Bucket = `${prefix}-objects`;
  const LocationConstraint = access.region as "eu-west-1";
  await client.send(
    new CreateBucketCommand({
      Bucket,
      // The one region that may not be named is the one that is meant without a name.
      ...(access.region === "us-east-1" ? {} : { CreateBucketConfiguration: { LocationConstraint } }),
    }),
  );
  await client.send(
    new PutBucketVersioningCommand({ Bucket, VersioningConfiguration: { Status: "Enabled" } }),
  );
  const byDefault = { ApplyServerSideEncryptionByDefault: { SSEAlgorithm: "AES256" as const } };
  await client.send(
    new PutBucketEncryptionCommand({ Bucket, ServerSideEncryptionConfiguration: { Rules: [byDefault] } }),
  );
  await client.send(
    new PutBucketTaggingCommand({ Bucket, Tagging: { TagSet: [{ Key: "rowhouse:prefix", Value: prefix }] } }),
  );
  return {
    client,
    bucket: Bucket,
    remove: async () => {
      await client.send(new DeleteBucketCommand({ Bucket }));
      client.destroy();
    },
  };
}
