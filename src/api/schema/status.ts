import { z } from "@hono/zod-openapi";
import { errorSchema } from "./problem.ts";

const node = z.object({
  zone: z.string(),
  host: z.string(),
  port: z.number().int(),
  pid: z.number().int().optional(),
  status: z.enum(["starting", "running", "down"]),
});

/** A database server as the status tells it. */
export const databaseServerSchema = z.object({
  name: z.string(),
  status: z.enum(["creating", "available", "degraded", "down", "deleting"]),
  primary: node.nullable(),
  standby: node.extend({ lagBytes: z.number().nullable() }).nullable(),
});

const instance = z.object({
  id: z.string(),
  pid: z.number().int().nullable(),
  zone: z.string(),
  state: z.string(),
  health: z.enum(["initial", "healthy", "unhealthy", "draining", "unknown"]),
  release: z.string().nullable(),
  address: z.string().nullable(),
  market: z.string(),
});

const fleet = z.object({
  name: z.string(),
  min: z.number().int(),
  max: z.number().int(),
  desired: z.number().int(),
  instances: z.array(instance).readonly(),
});

const region = z.object({
  name: z.string(),
  jurisdiction: z.string(),
  status: z.enum(["starting", "ready", "degraded", "down", "stopped", "fenced"]),
  controller: z.object({ pid: z.number().int().nullable() }),
  balancer: z.object({ url: z.string(), pid: z.number().int().nullable() }),
  databases: z.array(databaseServerSchema).readonly(),
  fleets: z.array(fleet).readonly(),
  backupProblems: z
    .array(z.object({ slug: z.string(), backup: z.string().nullable(), error: errorSchema }))
    .readonly()
    .optional()
    .openapi({ description: "Backups that could not be taken, or that a trial restore did not give back." }),
});

/** What runs, where, and how it is. */
export const statusSchema = z
  .object({
    version: z.string(),
    pid: z.number().int(),
    url: z.string(),
    apiUrl: z.string(),
    regions: z.array(region).readonly(),
  })
  .openapi("Status");
