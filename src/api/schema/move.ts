import { z } from "@hono/zod-openapi";
import { strictBody, text } from "../argument.ts";
import { errorSchema } from "./problem.ts";

/** Where a tenant is to live. What is left out stays as it is. */
export const moveBody = strictBody({
  region: text().optional().openapi({ description: "One of the started regions.", example: "eu-central-1" }),
  plan: text().optional().openapi({ description: "One of the configured plans.", example: "business" }),
  consent: text()
    .trim()
    .min(1, "must not be empty")
    .max(500, "must have at most 500 characters")
    .regex(/^\P{Cc}*$/u, "must not have control characters")
    .optional()
    .openapi({
      description: "What says that the customer agreed to another jurisdiction; kept in the audit trail.",
      example: "contract 2026-17, § 4",
    }),
}).openapi("MoveRequest");

const change = z.strictObject({ from: z.string(), to: z.string() });

/** What a move did. */
export const moveResultSchema = z
  .strictObject({
    slug: z.string(),
    from: z.string().openapi({ description: "The region, or the plan where the region stays." }),
    to: z.string(),
    region: change,
    plan: change,
    isolation: change,
    rows: z.number().int(),
    bytes: z.number().int(),
    copyMs: z.number().int(),
    writePauseMs: z.number().int(),
    durationMs: z.number().int(),
    verified: z.enum(["whole", "copied"]).openapi({
      description:
        "`whole`: every row was compared as it was at the hand-over. `copied`: as it was at the first copy.",
    }),
    differs: z.string().optional().openapi({ description: "What is not the same; the old copy is kept." }),
  })
  .openapi("MoveResult");

/** How far a move is. */
export const moveSchema = z
  .strictObject({
    id: z.string(),
    slug: z.string(),
    state: z.enum(["running", "undoing", "completed", "failed"]),
    steps: z
      .array(
        z.strictObject({
          name: z.string(),
          title: z.string(),
          state: z.enum(["waiting", "running", "done", "failed", "undone"]),
        }),
      )
      .readonly(),
    events: z.number().int().openapi({ description: "How many steps and undos have ended." }),
    copiedBytes: z.number().int(),
    totalBytes: z.number().int(),
    startedAt: z.iso.datetime(),
    error: errorSchema.optional(),
    result: moveResultSchema.optional(),
  })
  .openapi("Move");

export const moveParameter = z.object({
  id: z.string().openapi({
    param: { name: "id", in: "path" },
    example: "eu-west-1.move.5f0c7f0e-6d2f-4f7e-9f58-0c1d2e3f4a5b",
  }),
});

/** What was decided about a tenant, and by whom. */
export const auditEntrySchema = z
  .strictObject({
    at: z.iso.datetime(),
    region: z.string(),
    actor: z.string(),
    action: z.enum(["move"]),
    tenant: z.string(),
    details: z.record(z.string(), z.string()),
  })
  .openapi("AuditEntry");
