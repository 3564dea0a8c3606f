import { GetObjectCommand, type S3Client } from "@aws-sdk/client-s3";
import { z } from "zod";
import type { Config } from "../core/config/schema.ts";
import { fault } from "../core/error.ts";
import { isAwsError } from "./fault.ts";
import { globalResourcesSchema, regionDocumentKey, regionResourcesSchema } from "./resources.ts";

const config = z.custom<Config>((value) => typeof value === "object" && value !== null);

const regionDocumentSchema = z.strictObject({
  /** Of Rowhouse itself. */
  version: z.string(),
  config,
  resources: regionResourcesSchema,
  global: globalResourcesSchema,
});

/** All that a server of a region has to know; the deployment writes it into the region's bucket. */
export type RegionDocument = z.output<typeof regionDocumentSchema>;

const globalDocumentSchema = z.strictObject({
  version: z.string(),
  config,
  global: globalResourcesSchema,
});

/** The same for the control plane's own server, in the control plane's bucket. */
export type GlobalDocument = z.output<typeof globalDocumentSchema>;

/** @throws E_NOT_FOUND before the first deployment has written it */
export async function readRegionDocument(client: S3Client, bucket: string): Promise<RegionDocument> {
  return regionDocumentSchema.parse(await readJsonObject(client, bucket));
}

/** @throws E_NOT_FOUND before the first deployment has written it */
export async function readGlobalDocument(client: S3Client, bucket: string): Promise<GlobalDocument> {
  return globalDocumentSchema.parse(await readJsonObject(client, bucket));
}

async function readJsonObject(client: S3Client, bucket: string): Promise<unknown> {
  try {
    const { Body } = await client.send(new GetObjectCommand({ Bucket: bucket, Key: regionDocumentKey }));
    return JSON.parse((await Body?.transformToString()) ?? "null");
  } catch (error) {
    if (!isAwsError(error, "NoSuchKey")) throw error;
    throw fault("E_NOT_FOUND", `The bucket ${bucket} has no ${regionDocumentKey} yet.`, {
      cause: error,
      remedy: "Deploy with `rowhouse aws deploy`.",
    });
  }
}
