import { KMSClient } from "@aws-sdk/client-kms";
import { RDSClient } from "@aws-sdk/client-rds";
import { SecretsManagerClient } from "@aws-sdk/client-secrets-manager";
import { RowhouseError, toRowhouseError } from "../core/error.ts";
import type { Clock } from "../ports/clock.ts";
import type { RecoverySite } from "../ports/platform.ts";
import type { Replicas } from "../ports/replicas.ts";
import { type AwsAccess, createAwsClient } from "./client.ts";
import { createS3Client } from "./data-platform.ts";
import { type RegionDocument, readRegionDocument } from "./document.ts";
import { isAwsError } from "./fault.ts";
import { createKeys } from "./keys.ts";
import { createObjects } from "./objects.ts";
import { createReplicas } from "./replicas.ts";
import { awsNames, type RegionResources } from "./resources.ts";

/** Bucket of the region's recovery region; `undefined` when the config names none. */
export function recoveryBucket({
  config,
  resources,
}: RegionDocument): { readonly region: string; readonly bucket: string } | undefined {
  const region = config.regions[resources.region]?.recovery;
  if (region === undefined) return undefined;
  return { region, bucket: awsNames.bucket(resources.prefix, region, resources.accountId) };
}

/**
 * What a region's controller reaches of the recovery region, by what that region's own document names: it must be
 * deployed, and nothing there need run. `undefined` while it isn't, and when the config names none.
 */
export async function openRecoverySite(options: {
  readonly document: RegionDocument;
  readonly access: AwsAccess;
  readonly clock: Clock;
  readonly log: (message: string) => void;
}): Promise<RecoverySite | undefined> {
  const { document, clock } = options;
  const place = recoveryBucket(document);
  if (!place) return undefined;
  const { region, bucket } = place;
  const access = { ...options.access, region };
  const client = createS3Client(access);
  const resources = (await readRegionDocument(client, bucket).catch(unlessMissing))?.resources;
  if (!resources) return undefined;
  const source = document.resources.region;
  const hasStandby = document.config.regions[source]?.recoveryStandby !== false;
  const replicas = openReplicas({ ...options, access, resources });
  if (!hasStandby)
    void removeAll(replicas, source).catch((error: unknown) => options.log(toRowhouseError(error).message));
  return {
    region,
    objects: createObjects({ client, bucket, clock }),
    keys: createKeys({ client: createAwsClient(KMSClient, access), keyArn: resources.keyArn, clock }),
    // The bucket's replication does.
    replicatesFiles: true,
    ...(hasStandby ? { replicas } : {}),
  };
}

/** The replicas that a region keeps of others; `access` and `resources` are that region's. */
export function openReplicas(options: {
  readonly access: AwsAccess;
  readonly resources: RegionResources;
  readonly clock: Clock;
  readonly log: (message: string) => void;
}): Replicas {
  const { access, ...parts } = options;
  return createReplicas({
    ...parts,
    rds: createAwsClient(RDSClient, access),
    secrets: createAwsClient(SecretsManagerClient, access),
    secretsOf: (source) => createAwsClient(SecretsManagerClient, { ...access, region: source }),
  });
}

/** The config asks for none any more. */
async function removeAll(replicas: Replicas, source: string): Promise<void> {
  for (const replica of await replicas.list()) if (replica.source === source) await replicas.delete(replica);
}

/** Its bucket comes with its stack, and the document with its deployment. */
function unlessMissing(error: unknown): undefined {
  if (isAwsError(error, "NoSuchBucket")) return undefined;
  if (error instanceof RowhouseError && error.code === "E_NOT_FOUND") return undefined;
  throw error;
}
