import { z } from "@hono/zod-openapi";
import type { ValidationTargets } from "hono";
import { nearest } from "../core/config/nearest.ts";
import { fault } from "../core/error.ts";

/** An object that takes no other keys than `shape`'s; one it does not know is answered with the nearest that it does. */
export function strictBody<Shape extends z.ZodRawShape>(shape: Shape) {
  const known = Object.keys(shape);
  return z.strictObject(shape, {
    error: (issue) => {
      if (issue.code !== "unrecognized_keys") return "must be a JSON object";
      return issue.keys.map((key) => `${JSON.stringify(key)} is unknown, ${hint(key, known)}`).join("; ");
    },
  });
}

function hint(key: string, known: readonly string[]): string {
  const guess = nearest(key, known);
  return guess ? `did you mean "${guess}"?` : `allowed are ${known.join(", ")}`;
}

/** A required text field. */
export function text(): z.ZodString {
  return z.string({ error: (issue) => (issue.input === undefined ? "is missing" : "must be text") });
}

/** What validation of a request found; a failure becomes one fault that names every field. @throws E_ARGUMENT */
export function refuseInvalid(
  result: { readonly target: keyof ValidationTargets } & (
    | { readonly success: true }
    | { readonly success: false; readonly error: z.ZodError }
  ),
): void {
  if (result.success) return;
  const problems = result.error.issues.map((issue) => {
    const path = issue.path.map(String).join(".");
    return `${path || places[result.target]} ${issue.message}`.trim();
  });
  throw fault("E_ARGUMENT", `The request is not valid: ${problems.join("; ")}.`);
}

const places: Readonly<Record<keyof ValidationTargets, string>> = {
  json: "the body",
  form: "the body",
  query: "the query",
  param: "the path",
  header: "the headers",
  cookie: "the cookies",
};
