import { z } from "zod";
import { awsSchema, prefixOf } from "./aws.ts";
import { durationSeconds } from "./duration.ts";

const name = /^[a-z][a-z0-9-]{0,38}$/;

const region = z.strictObject({
  /** The law that the region's data is under; a recovery region must share it. */
  jurisdiction: z.string().min(1),
  zones: z.array(z.string().regex(/^[a-z][a-z0-9]{0,7}$/)).min(2),
  recovery: z.string().optional(),
  /** False: the recovery region gets backups and files alone, and no standby of the databases. */
  recoveryStandby: z.boolean().default(true),
  /** False: the region is known, and stays down until it is needed. */
  start: z.boolean().default(true),
});

const plan = z
  .strictObject({
    isolation: z.enum(["schema", "database", "server"]),
    connections: z.enum(["own", "shared"]).optional(),
    requestsPerSecond: z.number().positive().optional(),
    /** How many tenants of this plan there may be over all regions. */
    maxTenants: z.number().int().positive().optional(),
  })
  .refine((p) => p.connections !== "shared" || p.isolation === "schema", {
    path: ["connections"],
    message: 'only a plan with isolation "schema" may share connections',
  });

const duration = z.string().regex(/^\d+(ms|s|m|h|d)$/, {
  error: 'a duration is a number and a unit, as in "5m"',
  // Whether one that is none lies within limits is not asked.
  abort: true,
});

function durationBetween(least: string, most: string) {
  const isWithin = (value: string) =>
    durationSeconds(value) >= durationSeconds(least) && durationSeconds(value) <= durationSeconds(most);
  return duration.refine(isWithin, `from ${least} to ${most}`);
}

const chef = z.strictObject({
  /** As in `recipe[hardening]` or `role[base]`, in order. */
  runList: z.array(z.string().min(1)).min(1),
  /** With an organization, as in `https://chef.example/organizations/acme`; without one Chef runs in local mode. */
  serverUrl: z.url({ protocol: /^https$/ }).optional(),
  validationName: z.string().min(1).optional(),
  license: z.enum(["accept", "accept-no-persist", "accept-silent"]).optional(),
});

const fleet = z
  .strictObject({
    min: z.number().int().min(0),
    max: z.number().int().min(1),
    scaleOutAbove: z.number().gt(0).max(1).default(0.8),
    scaleInBelow: z.number().min(0).lt(1).default(0.1),
    market: z
      .strictObject({ spot: z.boolean(), bid: z.number().positive(), onDemandAfter: duration })
      .optional(),
    /** On AWS: what Chef does on a new server before Rowhouse starts there. */
    chef: chef.optional(),
  })
  .refine((f) => f.min <= f.max, { path: ["min"], message: "min must not be greater than max" });

const webhook = z.strictObject({
  url: z.url({ protocol: /^https?$/ }),
  /** Standard Webhooks secret: `whsec_` and base64. */
  secret: z.string().regex(/^whsec_[A-Za-z0-9+/]+=*$/, 'a secret is "whsec_" and base64'),
});

const backups = z.strictObject({
  /** A backup of each tenant so often: what a lost region can cost at most. */
  every: durationBetween("1m", "1d").default("1h"),
  /** The last backup of each of so many hours and days; what was not taken by schedule for as many days at least. */
  keep: z
    .strictObject({
      hourly: z.number().int().min(1).max(1000).default(24),
      daily: z.number().int().min(1).max(3660).default(14),
    })
    .prefault({}),
  /** A trial restore of one tenant's newest backup so often, of each in its turn. */
  verifyEvery: durationBetween("1m", "30d").default("6h"),
});

const keys = z.strictObject({
  /** Module of the application, relative to the config file. */
  app: z.string().min(1),
  domain: z.string().regex(/^([a-z0-9]([a-z0-9-]*[a-z0-9])?\.)+[a-z][a-z0-9-]*$/, "a lower-case domain name"),
  target: z.enum(["embedded", "aws"]).default("embedded"),
  regions: z
    .record(z.string().regex(name), region)
    .refine((r) => Object.keys(r).length > 0, "name at least one region"),
  plans: z
    .record(z.string().regex(name), plan)
    .refine((p) => Object.keys(p).length > 0, "name at least one plan"),
  fleets: z
    .strictObject({ app: fleet, worker: fleet })
    .partial()
    .default({})
    .transform((fleets) => ({
      app: fleets.app ?? fleet.parse({ min: 2, max: 6 }),
      worker: fleets.worker ?? fleet.parse({ min: 1, max: 4 }),
    })),
  /** Connections that one instance may hold to all databases together. */
  connectionsPerInstance: z.number().int().min(4).max(1000).default(200),
  /** Most tenants with a schema or database on one shared server. */
  tenantsPerServer: z.number().int().positive().default(2000),
  integrations: z
    .strictObject({ crm: webhook.optional(), billing: webhook.optional(), support: webhook.optional() })
    .default({}),
  mail: z
    .strictObject({
      from: z.email().optional(),
      /** `smtp://user:password@host:port`; without it mail stays in the outbox. */
      smtp: z.url({ protocol: /^smtps?$/ }).optional(),
      /** Who is told of new tenants. */
      operators: z.array(z.email()).default([]),
    })
    .default({ operators: [] }),
  closing: z
    .strictObject({
      /** For how long a closed tenant's last export is kept; "0d" keeps none. */
      keepExport: duration.default("30d"),
    })
    .prefault({}),
  backups: backups.prefault({}),
  /** How the system is laid out in an AWS account, with target "aws". */
  aws: awsSchema.prefault({}),
});

export const configSchema = keys.transform(({ aws, ...config }) => ({
  ...config,
  aws: {
    ...aws,
    prefix: aws.prefix ?? prefixOf(config.domain),
    controlRegion: aws.controlRegion ?? Object.keys(config.regions)[0] ?? "",
  },
}));

/** What a developer writes in rowhouse.config.ts. */
export type ConfigInput = z.input<typeof configSchema>;

/** A config that was parsed, completed with defaults and frozen. */
export type Config = Readonly<z.output<typeof configSchema>>;
export type RegionConfig = Config["regions"][string];
export type PlanConfig = Config["plans"][string];
export type AwsConfig = Config["aws"];
