import { AutoScalingClient } from "@aws-sdk/client-auto-scaling";
import { EC2Client } from "@aws-sdk/client-ec2";
import { ElasticLoadBalancingV2Client } from "@aws-sdk/client-elastic-load-balancing-v2";
import { RDSClient } from "@aws-sdk/client-rds";
import { Route53Client } from "@aws-sdk/client-route-53";
import { SecretsManagerClient } from "@aws-sdk/client-secrets-manager";
import { SWFClient } from "@aws-sdk/client-swf";
import type { Integrations } from "../ports/integrations.ts";
import type { RegionPlatform } from "../ports/platform.ts";
import type { ConnectOptions } from "../postgres/connect.ts";
import {
  type ControlDatabase,
  controlDatabaseConnection,
  ensureControlDatabase,
} from "../postgres/control-database.ts";
import { WriterPool } from "../postgres/pool.ts";
import { createBalancer } from "./balancer.ts";
import { type AwsAccess, createAwsClient } from "./client.ts";
import { secretLogin } from "./control-login.ts";
import {
  type OpenDataPlatform,
  type OpenDataPlatformOptions,
  openDataPlatform,
  regionControlDatabase,
} from "./data-platform.ts";
import { createDatabases, openDatabases } from "./databases.ts";
import { createDns } from "./dns.ts";
import { createFleets } from "./fleets.ts";
import { prepareMail } from "./mail.ts";
import { createRawStorage } from "./raw-storage.ts";
import { openRecoverySite, openReplicas } from "./recovery-site.ts";
import { awsNames, directoryDatabaseServer, firstSharedServer, type GlobalResources } from "./resources.ts";
import { createWorkflows } from "./workflows.ts";

export interface OpenAwsRegionOptions extends Omit<OpenDataPlatformOptions, "maxConnections"> {
  readonly integrations: Integrations;
  readonly log: (entry: { readonly level: "info" | "warn" | "error"; readonly message: string }) => void;
}

/** Everything of a region, for its controller. */
export interface AwsRegion {
  readonly platform: RegionPlatform;
  readonly data: OpenDataPlatform;
  /** The directory's database, in the control plane. */
  readonly directoryPool: WriterPool;
  readonly directoryConnection: ConnectOptions;
  close(): Promise<void>;
}

/** Opens all ports of a region, and makes its control database at the first time. */
export async function openAwsRegion(options: OpenAwsRegionOptions): Promise<AwsRegion> {
  const { document, access, clock, log } = options;
  const { resources, global, config } = document;
  const secrets = createAwsClient(SecretsManagerClient, access);
  const databases = createDatabases({ rds: createAwsClient(RDSClient, access), secrets, resources, clock });
  const [firstZone = "a", secondZone = "b"] = Object.keys(resources.privateSubnets);
  await databases.create({ name: firstSharedServer, zones: [firstZone, secondZone], size: "shared" });
  await ensureControlDatabase(databases, regionControlDatabase(secrets, resources));
  const data = await openDataPlatform({ ...options, maxConnections: 10 });
  await prepareMail(data.pool);
  const directoryConnection = await connectToDirectory(
    { ...access, region: global.region },
    global,
    options.applicationName,
  );
  const directoryPool = new WriterPool({ ...directoryConnection, max: 6 });
  const { registry, keys } = data.platform;
  const logReplicas = (message: string) => log({ level: "info", message });
  const recovery = await openRecoverySite({ document, access, clock, log: logReplicas });
  const platform: RegionPlatform = {
    ...data.platform,
    databases,
    workflows: createWorkflows({
      client: createAwsClient(SWFClient, access),
      domain: awsNames.workflowDomain(resources.prefix),
      name: resources.region,
      registry,
      keys,
      clock,
      log,
    }),
    fleets: createFleets({
      ec2: createAwsClient(EC2Client, access),
      autoScaling: createAwsClient(AutoScalingClient, access),
      resources,
      clock,
    }),
    balancer: createBalancer({
      client: createAwsClient(ElasticLoadBalancingV2Client, access),
      registry,
      loadBalancer: resources.loadBalancer,
      clock,
    }),
    integrations: options.integrations,
    rawStorage: createRawStorage(),
    dns: createDns({
      client: createAwsClient(Route53Client, access),
      hostedZoneId: global.hostedZoneId,
      zone: config.domain,
      clock,
    }),
    ...(recovery ? { recovery } : {}),
    replicas: openReplicas({ access, resources, clock, log: logReplicas }),
  };
  return {
    platform,
    data,
    directoryPool,
    directoryConnection,
    close: async () => {
      await directoryPool.end();
      await data.close();
    },
  };
}

/** Where the directory is. */
export function directoryDatabase(
  secrets: SecretsManagerClient,
  global: Pick<GlobalResources, "prefix" | "keyArn">,
): ControlDatabase {
  const database = "rowhouse_directory";
  return {
    server: directoryDatabaseServer,
    database,
    login: secretLogin({ client: secrets, database, ...global }),
  };
}

/** `access` is to the control plane's region. @throws E_NOT_RUNNING before the control plane has made it */
export async function connectToDirectory(
  access: AwsAccess,
  global: GlobalResources,
  applicationName: string,
): Promise<ConnectOptions> {
  const databases = openDatabases({ rds: createAwsClient(RDSClient, access), resources: global });
  const secrets = createAwsClient(SecretsManagerClient, access);
  return controlDatabaseConnection(databases, directoryDatabase(secrets, global), applicationName);
}
