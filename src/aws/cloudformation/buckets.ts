import {
  DeleteBucketCommand,
  DeleteObjectsCommand,
  ListObjectVersionsCommand,
  type S3Client,
} from "@aws-sdk/client-s3";
import { fault } from "../../core/error.ts";
import type { StackProgress } from "../../ports/stacks.ts";
import { isAwsError } from "../fault.ts";
import type { Template } from "../stacks/template.ts";

/** Empties and removes the buckets of a template that has no stack any more. Those that are gone are passed over. */
export async function deleteBuckets(
  client: S3Client,
  { template }: Pick<Template, "template">,
  onProgress: StackProgress,
): Promise<void> {
  for (const { Type, Properties } of Object.values(template.Resources)) {
    const bucket = Properties?.BucketName;
    if (Type !== "AWS::S3::Bucket" || typeof bucket !== "string") continue;
    try {
      await emptyBucket(client, bucket);
      await client.send(new DeleteBucketCommand({ Bucket: bucket }));
      onProgress(`the bucket ${bucket} removed with all that was in it`);
    } catch (error) {
      if (!isAwsError(error, "NoSuchBucket")) throw error;
    }
  }
}

/** With all versions, a thousand in a call. Source: Amazon S3 API, DeleteObjects and ListObjectVersions. */
async function emptyBucket(client: S3Client, bucket: string): Promise<void> {
  // From the beginning each time: what was listed is gone.
  for (;;) {
    const page = await client.send(new ListObjectVersionsCommand({ Bucket: bucket }));
    const objects = [...(page.Versions ?? []), ...(page.DeleteMarkers ?? [])];
    if (objects.length === 0) return;
    const Objects = objects.map(({ Key, VersionId }) => ({ Key, VersionId }));
    const { Errors = [] } = await client.send(
      new DeleteObjectsCommand({ Bucket: bucket, Delete: { Objects, Quiet: true } }),
    );
    const [first] = Errors;
    if (first) throw fault("E_AWS_ACCESS", `${first.Key} in ${bucket} can't be deleted: ${first.Message}.`);
  }
}
