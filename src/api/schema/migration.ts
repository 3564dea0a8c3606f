import { z } from "@hono/zod-openapi";

export const migrateBody = z
  .strictObject({
    tenant: z.string().optional().openapi({ description: "This tenant alone." }),
    canaries: z.number().int().min(0).max(1000).default(1).openapi({ description: "Tenants that go first." }),
    concurrency: z
      .number()
      .int()
      .min(1)
      .max(64)
      .default(4)
      .openapi({ description: "Tenants of a region that are worked on at the same time." }),
    maxFailures: z
      .number()
      .int()
      .min(0)
      .default(10)
      .openapi({ description: "The run stops once more than so many have failed." }),
  })
  .openapi("Migrate");

const problems = z
  .array(
    z.object({
      slug: z.string(),
      error: z.object({ code: z.string(), message: z.string(), remedy: z.string() }),
    }),
  )
  .readonly();

export const migrationSchema = z
  .object({
    target: z.number().int(),
    total: z.number().int(),
    applied: z.number().int(),
    skipped: z.number().int(),
    failed: problems,
    later: problems,
    stopped: z.string().nullable(),
    durationMs: z.number().int(),
  })
  .openapi("Migration");

export const migrationStatusSchema = z
  .object({
    target: z.number().int(),
    total: z.number().int(),
    behind: z.number().int(),
    regions: z
      .array(
        z.object({
          name: z.string(),
          target: z.number().int(),
          versions: z
            .array(z.object({ schemaVersion: z.number().int(), tenants: z.number().int() }))
            .readonly(),
        }),
      )
      .readonly(),
  })
  .openapi("MigrationStatus");
