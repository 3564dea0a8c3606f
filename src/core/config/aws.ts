import { z } from "zod";

/** As long as leaves every name that begins with it within AWS's limits: 32 characters for a load balancer. */
const longestPrefix = 20;

/** Retentions that CloudWatch Logs knows, in days; S3's lifecycle takes the same. */
const logRetentions = [
  1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653,
] as const;

const instanceType = z
  .string()
  .regex(
    /^[a-z]+[0-9]+g[a-z]*\.[a-z0-9-]+$/,
    'an EC2 instance type with a Graviton processor, as in "m7g.large"',
  );
const databaseClass = z
  .string()
  .regex(/^db\.[a-z0-9-]+\.[a-z0-9-]+$/, 'an RDS instance class, as in "db.m7g.large"');

/** The block `aws` of the config. Without a prefix or control region they are derived from the rest of the config. */
export const awsSchema = z.strictObject({
  /** Begins the name of everything that is made in the account. */
  prefix: z
    .string()
    .max(longestPrefix)
    .regex(/^[a-z](-?[a-z0-9])*$/, "lower-case letters, digits and single hyphens, a letter first")
    .optional(),
  /** Where the control plane is. */
  controlRegion: z.string().optional(),
  /** "create" makes the domain's hosted zone; otherwise the id of the one that there is. */
  hostedZone: z
    .string()
    .regex(
      /^(create|Z[A-Z0-9]{6,31})$/,
      '"create", or the id of a hosted zone, as in "Z0123456789ABCDEFGHIJ"',
    )
    .default("create"),
  instanceTypes: z
    .strictObject({
      app: instanceType.default("m7g.large"),
      worker: instanceType.default("m7g.large"),
      controller: instanceType.default("t4g.medium"),
      controlPlane: instanceType.default("t4g.medium"),
    })
    .prefault({}),
  databaseClasses: z
    .strictObject({
      shared: databaseClass.default("db.m7g.large"),
      dedicated: databaseClass.default("db.m7g.large"),
      directory: databaseClass.default("db.t4g.medium"),
    })
    .prefault({}),
  cache: z
    .strictObject({
      nodeType: z
        .string()
        .regex(/^cache\.[a-z0-9]+\.[a-z0-9]+$/, 'an ElastiCache node type, as in "cache.m7g.large"')
        .default("cache.t4g.medium"),
      shards: z.number().int().min(1).max(90).default(2),
      /** Of each shard; none leaves a shard without a second zone. */
      replicas: z.number().int().min(1).max(5).default(1),
    })
    .prefault({}),
  /** "one" costs less; the zones without one are cut off from the outside when its zone fails. */
  natGateways: z.enum(["one", "per-zone"]).default("per-zone"),
  /** Who gets a mail of every alarm. */
  alarmEmails: z.array(z.email()).default([]),
  logRetentionDays: z
    .literal([...logRetentions], { error: `one of ${logRetentions.join(", ")}` })
    .default(90),
});

/** The prefix that a domain gives: its first label, in letters that every AWS name may have. */
export function prefixOf(domain: string): string {
  const label = (domain.split(".")[0] ?? "").replace(/-+/g, "-");
  return (/^[a-z]/.test(label) ? label : `r${label}`).slice(0, longestPrefix).replace(/-$/, "");
}

/** Names of AWS regions, as in `eu-west-1` or `us-gov-east-1`. */
const regionPattern = /^[a-z]{2}(-[a-z]+)+-[1-9]$/;

/** The address plan of a region's network has room for so many zones. */
const zonePattern = /^[a-h]$/;

/** What the target "aws" asks of the config's other keys. */
export function awsProblems(config: {
  readonly regions: Readonly<Record<string, { readonly zones: readonly string[] }>>;
  readonly aws: { readonly controlRegion: string };
}): string[] {
  const problems: string[] = [];
  for (const [name, { zones }] of Object.entries(config.regions)) {
    if (!regionPattern.test(name)) problems.push(`regions.${name}: no AWS region, as in "eu-west-1"`);
    for (const zone of zones) {
      if (!zonePattern.test(zone))
        problems.push(`regions.${name}.zones: "${zone}" is not the letter of a zone, allowed are a to h`);
    }
  }
  const { controlRegion } = config.aws;
  if (!Object.hasOwn(config.regions, controlRegion)) {
    const names = Object.keys(config.regions).join(", ");
    problems.push(`aws.controlRegion: no region "${controlRegion}", allowed are ${names}`);
  }
  return problems;
}
