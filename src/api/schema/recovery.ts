import { z } from "@hono/zod-openapi";

const failed = z.array(z.strictObject({ slug: z.string(), error: z.string() })).readonly();

/** What came of a region's failover. */
export const failOverSchema = z
  .strictObject({
    region: z.string(),
    to: z.string(),
    tenants: z.number().int().openapi({ description: "How many are served again." }),
    rpoSeconds: z.number().nullable().openapi({
      description:
        "How much was lost at most of those that came from a standby; null when there were none, or nobody can tell.",
    }),
    rtoSeconds: z.number().openapi({ description: "From the command to the last tenant's answer." }),
    failed: failed.openapi({ description: "Tenants that could not be brought back, and why." }),
    fromBackup: z
      .array(z.strictObject({ slug: z.string(), rpoSeconds: z.number().nullable() }))
      .readonly()
      .openapi({ description: "Tenants that came from a backup, each with what it lost at most." }),
    mail: z.number().int().nullable().openapi({
      description: "Mails that were not sent yet and came along; null where they were lost.",
    }),
    messages: z.number().int().nullable().openapi({
      description: "Messages of queues that came along; null where they were lost.",
    }),
  })
  .openapi("FailOver");

/** What came of the way back. */
export const failBackSchema = z
  .strictObject({
    region: z.string(),
    from: z.string(),
    tenants: z.number().int().openapi({ description: "How many moved back this time." }),
    failed: failed.openapi({ description: "Tenants that stay where they are, and why." }),
    durationMs: z.number().int(),
  })
  .openapi("FailBack");
