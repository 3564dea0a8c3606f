import { z } from "@hono/zod-openapi";

/** A message of a region's outbox. */
export const mailSchema = z
  .strictObject({
    id: z.string(),
    region: z.string(),
    tenant: z.string().nullable().openapi({ description: "Null when the platform itself is the sender." }),
    from: z.string(),
    to: z.string(),
    subject: z.string(),
    text: z.string(),
    html: z.string().optional(),
    status: z.enum(["queued", "sent", "suppressed", "failed", "not-configured"]),
    createdAt: z.iso.datetime(),
    error: z.string().optional(),
  })
  .openapi("Mail");
