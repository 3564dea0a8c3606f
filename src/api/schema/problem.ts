import { z } from "@hono/zod-openapi";
import { type ErrorCode, errorCatalog } from "../../core/error-catalog.ts";
import { problemContentType } from "../../core/problem.ts";

const codes = Object.keys(errorCatalog) as [ErrorCode, ...ErrorCode[]];

const problem = z
  .strictObject({
    type: z.string(),
    title: z.string(),
    status: z.number().int(),
    detail: z.string(),
    code: z.enum(codes),
    remedy: z.string(),
  })
  .openapi("Problem", { description: "RFC 9457, with the stable code and what the reader can do." });

/** Every route's answer when it fails. */
export const problemResponse = {
  default: { description: "A problem document", content: { [problemContentType]: { schema: problem } } },
} as const;

/** An error inside another answer. */
export const errorSchema = z
  .strictObject({ code: z.enum(codes), message: z.string(), remedy: z.string() })
  .openapi("Error");
