import { z } from "@hono/zod-openapi";
import { slugPattern } from "../../core/tenant/slug.ts";
import { strictBody, text } from "../argument.ts";
import { errorSchema } from "./problem.ts";

/** What someone who signs up says. Slug, region and plan have codes of their own, so their rules are checked after. */
export const signupBody = strictBody({
  slug: text().openapi({
    description: "The tenant's host name label.",
    pattern: slugPattern.source,
    example: "acme",
  }),
  name: text()
    .trim()
    .min(1, "must not be empty")
    .max(100, "must have at most 100 characters")
    .regex(/^\P{Cc}*$/u, "must not have control characters")
    .openapi({ description: "The company's name.", example: "Acme Ltd" }),
  region: text().openapi({ description: "One of the started regions.", example: "eu-west-1" }),
  plan: text().openapi({ description: "One of the configured plans.", example: "starter" }),
  email: z
    .email({ error: (issue) => (issue.input === undefined ? "is missing" : "is not an e-mail address") })
    .max(254, "must have at most 254 characters")
    .openapi({ description: "The administrator's address.", example: "ada@acme.example" }),
}).openapi("SignupRequest");

const statusFields = z.strictObject({
  id: z.string(),
  slug: z.string(),
  region: z.string(),
  state: z.enum(["running", "undoing", "completed", "failed"]),
  steps: z
    .array(
      z.strictObject({
        name: z.string(),
        title: z.string(),
        state: z.enum(["waiting", "running", "done", "not-configured", "failed", "undone"]),
      }),
    )
    .readonly(),
  startedAt: z.iso.datetime(),
  error: errorSchema.optional(),
});

/** How far a sign-up is. */
export const signupSchema = statusFields.openapi("Signup");

/** A sign-up that was taken, and where to look on. */
export const acceptedSignupSchema = statusFields
  .extend({ links: z.strictObject({ self: z.string(), events: z.string(), tenant: z.string() }) })
  .openapi("AcceptedSignup");

export const signupParameter = z.object({
  id: z.string().openapi({
    param: { name: "id", in: "path" },
    example: "eu-west-1.5f0c7f0e-6d2f-4f7e-9f58-0c1d2e3f4a5b",
  }),
});
