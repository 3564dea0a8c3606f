import { createHash } from "node:crypto";
import { z } from "zod";

const group = z.strictObject({
  /** Launch template; its user data starts the program. */
  launchTemplateId: z.string(),
  autoScalingGroup: z.string(),
});

/**
 * What a region's stack made, as every adapter and program of the region needs to know it: the region stack's outputs.
 * The deployment writes it into the region's bucket (`rowhouse/region.json`), whose name is all that a server is told.
 */
export const regionResourcesSchema = z.strictObject({
  /** Begins every name and is the value of the tag `rowhouse:prefix`. */
  prefix: z.string(),
  region: z.string(),
  accountId: z.string(),
  bucket: z.string(),
  /** ARN of the region's KMS key. */
  keyArn: z.string(),
  /** DynamoDB table of the registry: partition key `domain`, sort key `name`, both text. */
  registryTable: z.string(),
  vpcId: z.string(),
  /** Private subnet of each zone, by the zone's letter. */
  privateSubnets: z.record(z.string(), z.string()),
  databases: z.strictObject({
    subnetGroup: z.string(),
    parameterGroup: z.string(),
    securityGroupId: z.string(),
    /** RDS instance classes, as in `db.m7g.large`. */
    instanceClasses: z.strictObject({ shared: z.string(), dedicated: z.string() }),
  }),
  /** `host:port` of the cache's configuration endpoint. */
  cacheEndpoint: z.string(),
  loadBalancer: z.strictObject({ dnsName: z.string(), targetGroupArn: z.string() }),
  groups: z.strictObject({ app: group, worker: group, controller: group }),
  /** Topic that alarms are published to. */
  alarmTopicArn: z.string(),
});

export type RegionResources = z.output<typeof regionResourcesSchema>;

/** What the global stack made. */
export const globalResourcesSchema = z.strictObject({
  prefix: z.string(),
  /** Region of the global stack. */
  region: z.string(),
  accountId: z.string(),
  hostedZoneId: z.string(),
  bucket: z.string(),
  keyArn: z.string(),
  registryTable: z.string(),
  vpcId: z.string(),
  vpcCidr: z.string(),
  apiUrl: z.string(),
  url: z.string(),
  group,
});

export type GlobalResources = z.output<typeof globalResourcesSchema>;

/** The address plan: no two VPCs overlap, because they are peered. Index 0 is the control plane's. */
export function vpcCidr(index: number): string {
  return `10.${16 + index}.0.0/16`;
}

/** Names that more than one part must agree on; everything that is made has the prefix. */
export const awsNames = {
  globalStack: (prefix: string) => `${prefix}-global`,
  regionStack: (prefix: string, region: string) => `${prefix}-${region}`,
  zoneStack: (prefix: string) => `${prefix}-zone`,
  edgeStack: (prefix: string) => `${prefix}-edge`,
  /** In the region; the other end's is in the control region and names the region. */
  peeringStack: (prefix: string) => `${prefix}-peering`,
  peeringAcceptStack: (prefix: string, region: string) => `${prefix}-peering-${region}`,
  /** In each of two regions; it names the other one. */
  linkStack: (prefix: string, other: string) => `${prefix}-link-${other}`,
  /** Of a region, or of the control plane: `region` is "global" then. Buckets share one namespace over all accounts. */
  bucket: (prefix: string, region: string, accountId: string) => `${prefix}-${region}-${accountId}`,
  keyAlias: (prefix: string) => `alias/${prefix}`,
  /** RDS instance of a database server. */
  database: (prefix: string, server: string) => `${prefix}-${server}`,
  /** Secrets Manager secret `{ "username", "password" }` of a database server's administrator. */
  databaseSecret: (prefix: string, server: string) => `${prefix}/databases/${server}`,
  /**
   * RDS instance, in the recovery region, of a copy of another region's server. Its tags say of which: both names together
   * may be longer than RDS's 63 characters.
   */
  replica: (prefix: string, source: string, server: string) =>
    `${prefix}-replica-${createHash("sha256").update(`${source}/${server}`).digest("hex").slice(0, 16)}`,
  /** IAM's pattern of all such instances. */
  replicas: (prefix: string) => `${prefix}-replica-*`,
  /** Secrets Manager secret beside it, with the login of its source's administrator. */
  replicaSecret: (prefix: string, source: string, server: string) => `${prefix}/replicas/${source}/${server}`,
  /** Secrets Manager secret `{ "username", "password" }` of one of the control plane's own databases. */
  controlLogin: (prefix: string, database: string) => `${prefix}/control/${database}`,
  /** Secrets Manager secret with the token that the platform's own processes show to each other. */
  internalToken: (prefix: string) => `${prefix}/internal-token`,
  /** Secrets Manager secret with the first operator's token. */
  operatorToken: (prefix: string) => `${prefix}/operator-token`,
  /** SWF domain of a region's workflows. */
  workflowDomain: (prefix: string) => prefix,
  /** SQS queue. */
  queue: (prefix: string, queue: string) => `${prefix}-${queue}`,
} as const;

/** The shared database server that a region's stack brings; the region's control database is there too. */
export const firstSharedServer = "shared-1";

/** The directory's database server, which the global stack brings. */
export const directoryDatabaseServer = "directory";

/** Tags of a server: what it is and where it belongs. */
export const awsTags = {
  prefix: "rowhouse:prefix",
  /** Database server, as the port names it. */
  server: "rowhouse:server",
  /** Of which server it is a copy, as `region/server`; what has this tag is no server yet. */
  replicaOf: "rowhouse:replica-of",
  fleet: "rowhouse:fleet",
  instance: "rowhouse:instance",
} as const;

/** Key in a region's bucket of the document {@link regionResourcesSchema}, with the config beside it. */
export const regionDocumentKey = "rowhouse/region.json";

/** Port that app instances listen on, on their private address. */
export const instancePort = 8080;

/** Port of a controller's RPC, on its private address. */
export const controllerPort = 8083;

/** Port of the control plane's API and sign-up page, on its private address. */
export const controlPlanePort = 8081;
