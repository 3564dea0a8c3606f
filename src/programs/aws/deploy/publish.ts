import { createReadStream } from "node:fs";
import { DynamoDBClient } from "@aws-sdk/client-dynamodb";
import { HeadObjectCommand, PutObjectCommand, type S3Client } from "@aws-sdk/client-s3";
import { Upload } from "@aws-sdk/lib-storage";
import type { ReleasePackage } from "../../../api/region-rpc.ts";
import { type AwsAccess, createAwsClient } from "../../../aws/client.ts";
import { createS3Client } from "../../../aws/data-platform.ts";
import type { GlobalDocument, RegionDocument } from "../../../aws/document.ts";
import { isAwsError } from "../../../aws/fault.ts";
import { createObjects } from "../../../aws/objects.ts";
import { createRegistry } from "../../../aws/registry.ts";
import { regionDocumentKey } from "../../../aws/resources.ts";
import { installRelease } from "../../../control/release/installed.ts";
import { regionsDomain } from "../../../core/registry/domains.ts";
import type { Clock } from "../../../ports/clock.ts";
import type { PackedSoftware } from "./software.ts";

/** What a server finds in its bucket: first what it runs, and last the document by which it starts. */
export async function publishSoftware(
  client: S3Client,
  bucket: string,
  { archives }: PackedSoftware,
): Promise<void> {
  for (const { key, file, sha256 } of archives) {
    if ((await storedHash(client, bucket, key)) === sha256) continue;
    const params = { Bucket: bucket, Key: key, Body: createReadStream(file), Metadata: { sha256 } };
    await new Upload({ client, params }).done();
  }
}

export async function publishDocument(
  client: S3Client,
  bucket: string,
  document: RegionDocument | GlobalDocument,
): Promise<void> {
  await client.send(
    new PutObjectCommand({
      Bucket: bucket,
      Key: regionDocumentKey,
      Body: JSON.stringify(document),
      ContentType: "application/json",
    }),
  );
}

/** Gives a region its release, and tells the control plane where the region is. */
export async function publishRegion(parts: {
  readonly document: RegionDocument;
  /** To the region, and to the control plane's. */
  readonly access: AwsAccess;
  readonly controlAccess: AwsAccess;
  readonly release: ReleasePackage;
  readonly clock: Clock;
}): Promise<void> {
  const { document, access, controlAccess, release, clock } = parts;
  const { resources, global } = document;
  const registry = createRegistry({
    client: createAwsClient(DynamoDBClient, access),
    table: resources.registryTable,
  });
  const objects = createObjects({ client: createS3Client(access), bucket: resources.bucket, clock });
  // The region's own controller reads the migrations; here the zip is only stored and named.
  await installRelease({ objects, registry, readMigrations: async () => [] }, release);
  const regions = createRegistry({
    client: createAwsClient(DynamoDBClient, controlAccess),
    table: global.registryTable,
  });
  await regions.put(regionsDomain, resources.region, { registryTable: resources.registryTable });
}

async function storedHash(client: S3Client, bucket: string, key: string): Promise<string | undefined> {
  try {
    return (await client.send(new HeadObjectCommand({ Bucket: bucket, Key: key }))).Metadata?.sha256;
  } catch (error) {
    if (isAwsError(error, "NotFound", "NoSuchKey")) return undefined;
    throw error;
  }
}
