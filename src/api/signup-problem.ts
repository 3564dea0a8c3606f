import { z } from "@hono/zod-openapi";
import type { SignupInput } from "../control/region-control.ts";
import type { RowhouseError } from "../core/error.ts";
import type { ErrorCode } from "../core/error-catalog.ts";
import { problemContentType, problemDocument } from "../core/problem.ts";

/** What is wrong with one field of the form, in a sentence that can stand beside it. */
export interface FieldProblem {
  readonly field: keyof SignupInput;
  readonly detail: string;
}

const labels: Readonly<Record<keyof SignupInput, string>> = {
  name: "The company name",
  slug: "The address",
  region: "The region",
  plan: "The plan",
  email: "The e-mail address",
};

/** The codes that are about one field, in words for someone who has never heard of slugs and tenants. */
const problemsByCode: Partial<Readonly<Record<ErrorCode, FieldProblem>>> = {
  E_TENANT_SLUG_INVALID: {
    field: "slug",
    detail: "Use 1 to 40 lower-case letters, digits and hyphens, with a letter first and no hyphen last.",
  },
  E_TENANT_SLUG_RESERVED: {
    field: "slug",
    detail: "This address is kept for the platform itself. Choose another one.",
  },
  E_TENANT_SLUG_TAKEN: { field: "slug", detail: "This address is taken. Choose another one." },
  E_REGION_UNKNOWN: { field: "region", detail: "This region takes no sign-ups. Choose another one." },
  E_REGION_UNAVAILABLE: {
    field: "region",
    detail: "This region does not answer just now. Try again in a few seconds, or choose another one.",
  },
  E_PLAN_UNKNOWN: { field: "plan", detail: "This plan is not offered. Choose another one." },
  E_QUOTA: { field: "plan", detail: "This plan has no place left just now. Choose another one." },
};

/** A problem document whose `errors` name the fields that are concerned, if any are. Source: RFC 9457, section 3. */
export function answerSignupProblem(error: RowhouseError): Response {
  const document = { ...problemDocument(error), errors: fieldProblems(error) };
  return Response.json(document, {
    status: error.status,
    headers: {
      "content-type": problemContentType,
      "cache-control": "no-store",
      "x-content-type-options": "nosniff",
    },
  });
}

function fieldProblems(error: RowhouseError): FieldProblem[] {
  const known = problemsByCode[error.code];
  if (known) return [known];
  if (!(error.cause instanceof z.ZodError)) return [];
  return error.cause.issues.flatMap((issue) => {
    const named = String(issue.path[0]);
    return isField(named) ? [{ field: named, detail: `${labels[named]} ${issue.message}.` }] : [];
  });
}

function isField(name: string): name is keyof SignupInput {
  return Object.hasOwn(labels, name);
}
