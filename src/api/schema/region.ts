import { z } from "@hono/zod-openapi";
import { strictBody, text } from "../argument.ts";

const drift = z.strictObject({
  id: z.string(),
  type: z.string(),
  difference: z.enum(["missing", "changed"]),
  detail: z.string(),
});

/** A region as a whole. */
export const regionSchema = z
  .strictObject({
    name: z.string(),
    jurisdiction: z.string().nullable().openapi({
      description: "The law that its data is under; null when the config does not name it any more.",
    }),
    status: z.enum(["absent", "creating", "ready", "failed", "deleting", "fenced"]).openapi({
      description: "fenced: it has failed over, and serves nobody.",
    }),
    problem: z.string().nullable().openapi({ description: "Why the last creation failed." }),
    zones: z.array(z.string()).readonly(),
    recovery: z.string().nullable(),
    failedOverTo: z
      .string()
      .nullable()
      .openapi({ description: "Where its tenants live since it failed over; null when it did not." }),
    tenants: z.number().int().openapi({ description: "Those that live there, in any state but closed." }),
    drift: z
      .array(drift)
      .readonly()
      .optional()
      .openapi({ description: "What is not as it was declared; left out while nobody has looked." }),
  })
  .openapi("Region");

export const createRegionBody = strictBody({
  name: text().openapi({ description: "One of the config's regions.", example: "eu-central-1" }),
}).openapi("CreateRegion");

export const regionParameter = z.object({
  name: z.string().openapi({ param: { name: "name", in: "path" }, example: "eu-central-1" }),
});
