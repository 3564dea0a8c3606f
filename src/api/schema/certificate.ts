import { z } from "@hono/zod-openapi";

const partSchema = z.strictObject({
  counts: z.record(z.string(), z.number()),
  tables: z
    .array(z.strictObject({ name: z.string(), rows: z.number().int() }))
    .readonly()
    .optional(),
  note: z.string().optional(),
});

const inventorySchema = z.record(z.string(), partSchema);

const exportSchema = z.union([
  z.strictObject({
    kept: z.literal(true),
    key: z.string(),
    bytes: z.number().int(),
    sha256: z.string().openapi({ description: "Hex, over the archive before its encryption." }),
    until: z.iso.datetime(),
  }),
  z.strictObject({ kept: z.literal(false), reason: z.string() }),
]);

/** What a closed tenant leaves: it tells nothing of who the tenant was. */
export const certificateSchema = z
  .strictObject({
    version: z.literal(1),
    slug: z.string(),
    region: z.string(),
    jurisdiction: z.string(),
    plan: z.string(),
    isolation: z.string(),
    createdAt: z.iso.datetime(),
    askedBy: z.string().openapi({ description: "Name of the operator." }),
    askedAt: z.iso.datetime(),
    completedAt: z.iso.datetime(),
    removed: inventorySchema.openapi({ description: "What there was when the doors were closed, by part." }),
    elsewhere: z
      .array(
        z.strictObject({
          region: z.string(),
          removed: inventorySchema.optional(),
          note: z.string().optional(),
        }),
      )
      .readonly()
      .openapi({ description: "Regions that had something left of it, or could not be asked." }),
    export: exportSchema,
    remainders: z
      .array(z.strictObject({ what: z.string(), until: z.iso.datetime().nullable() }))
      .readonly()
      .openapi({ description: "What can't be deleted by choice, and when it is gone at the latest." }),
    sha256: z
      .string()
      .openapi({ description: "Hex, over the canonical JSON (RFC 8785) of all that stands above it." }),
    signature: z.strictObject({
      algorithm: z.literal("Ed25519"),
      publicKey: z.string().openapi({ description: "The region's, as PEM." }),
      value: z.string().openapi({ description: "Base64, over the same text." }),
    }),
    genuine: z.boolean().openapi({ description: "Hash and signature fit what it says." }),
    exportDeletedAt: z.iso.datetime().optional(),
  })
  .openapi("Certificate");
