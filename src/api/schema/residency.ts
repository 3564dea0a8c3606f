import { z } from "@hono/zod-openapi";
import { canaryKinds } from "../../core/residency/kinds.ts";

const kind = z.enum(canaryKinds);

/** What a residency check planted, where it looked, and what it found. */
export const residencyReportSchema = z
  .strictObject({
    ok: z.boolean().openapi({ description: "Nothing was found where it must not be." }),
    tenants: z
      .array(
        z.strictObject({
          slug: z.string(),
          region: z.string(),
          planted: z.array(kind).readonly(),
          unseen: z.array(kind).readonly().openapi({
            description:
              "What the search did not see in the tenant's own region: of these nothing is proven.",
          }),
        }),
      )
      .readonly(),
    searched: z
      .array(
        z.strictObject({
          where: z.string().openapi({ description: "A region, or `control plane`." }),
          store: z.string(),
          places: z.number().int().openapi({ description: "Files, tables or objects." }),
          bytes: z.number().int(),
        }),
      )
      .readonly(),
    notSearched: z.array(z.strictObject({ where: z.string(), what: z.string() })).readonly(),
    findings: z
      .array(
        z.strictObject({
          kind: z.enum([...canaryKinds, "slug"]),
          slug: z.string(),
          from: z.string().openapi({ description: "The tenant's region." }),
          foundIn: z.string(),
          store: z.string(),
          place: z.string(),
          form: z.string().openapi({ description: "How it is written there, as in `text` or `base64`." }),
        }),
      )
      .readonly(),
  })
  .openapi("ResidencyReport");
