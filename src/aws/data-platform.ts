import { DynamoDBClient } from "@aws-sdk/client-dynamodb";
import { KMSClient } from "@aws-sdk/client-kms";
import { RDSClient } from "@aws-sdk/client-rds";
import { S3Client } from "@aws-sdk/client-s3";
import { SecretsManagerClient } from "@aws-sdk/client-secrets-manager";
import { SESv2Client } from "@aws-sdk/client-sesv2";
import { SQSClient } from "@aws-sdk/client-sqs";
import type { Clock, Random } from "../ports/clock.ts";
import type { DataPlatform } from "../ports/platform.ts";
import type { ConnectOptions } from "../postgres/connect.ts";
import { type ControlDatabase, controlDatabaseConnection } from "../postgres/control-database.ts";
import { WriterPool } from "../postgres/pool.ts";
import { createCache } from "./cache.ts";
import { type AwsAccess, createAwsClient } from "./client.ts";
import { secretLogin } from "./control-login.ts";
import { openDatabases } from "./databases.ts";
import type { RegionDocument } from "./document.ts";
import { createKeys } from "./keys.ts";
import { createMail } from "./mail.ts";
import { createObjects } from "./objects.ts";
import { createQueues } from "./queues.ts";
import { createRegistry } from "./registry.ts";
import { firstSharedServer, type RegionResources } from "./resources.ts";

export interface OpenDataPlatformOptions {
  readonly document: RegionDocument;
  readonly access: AwsAccess;
  readonly clock: Clock;
  readonly random: Random;
  /** Shown in pg_stat_activity. */
  readonly applicationName: string;
  /** Connections to the region's control database. */
  readonly maxConnections: number;
}

/** The data side of a region with what it stands on. */
export interface OpenDataPlatform {
  readonly platform: DataPlatform;
  /** To the region's control database. */
  readonly connection: ConnectOptions;
  readonly pool: WriterPool;
  close(): Promise<void>;
}

/** Where a region's control database is. */
export function regionControlDatabase(
  secrets: SecretsManagerClient,
  resources: Pick<RegionResources, "prefix" | "keyArn">,
): ControlDatabase {
  const database = "rowhouse_region";
  return {
    server: firstSharedServer,
    database,
    login: secretLogin({ client: secrets, database, ...resources }),
  };
}

/** Opens what an instance may touch. @throws E_NOT_RUNNING before the region's controller has made its database */
export async function openDataPlatform(options: OpenDataPlatformOptions): Promise<OpenDataPlatform> {
  const { document, access, clock, random } = options;
  const { resources } = document;
  const secrets = createAwsClient(SecretsManagerClient, access);
  const databases = openDatabases({ rds: createAwsClient(RDSClient, access), resources });
  const connection = await controlDatabaseConnection(
    databases,
    regionControlDatabase(secrets, resources),
    options.applicationName,
  );
  const pool = new WriterPool({ ...connection, max: options.maxConnections });
  const mail = createMail({ client: createAwsClient(SESv2Client, access), pool, clock });
  const platform: DataPlatform = {
    region: resources.region,
    clock,
    random,
    keys: createKeys({ client: createAwsClient(KMSClient, access), keyArn: resources.keyArn, clock }),
    registry: createRegistry({
      client: createAwsClient(DynamoDBClient, access),
      table: resources.registryTable,
    }),
    databases,
    objects: createObjects({ client: createS3Client(access), bucket: resources.bucket, clock }),
    cache: createCache({ endpoint: resources.cacheEndpoint, tls: {}, clock }),
    queues: createQueues({ client: createAwsClient(SQSClient, access), prefix: resources.prefix, clock }),
    mail,
  };
  return {
    platform,
    connection,
    pool,
    close: async () => {
      await Promise.all([platform.queues.close(), platform.cache.close(), mail.close()]);
      await pool.end();
    },
  };
}

/** Other addresses than AWS's own don't resolve a bucket as a part of the host. */
export function createS3Client(access: AwsAccess): S3Client {
  return createAwsClient(S3Client, access, { forcePathStyle: access.endpoint !== undefined });
}
