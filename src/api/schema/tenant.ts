import { z } from "@hono/zod-openapi";
import type { TenantState } from "../../core/tenant/lifecycle.ts";
import { lifecycle } from "../../core/tenant/lifecycle.ts";
import { operationKinds } from "../../core/tenant/operation.ts";
import { certificateSchema } from "./certificate.ts";

const states = Object.keys(lifecycle) as [TenantState, ...TenantState[]];

const tenantFields = z.strictObject({
  slug: z.string(),
  name: z
    .string()
    .nullable()
    .openapi({ description: "Null when the tenant's region does not say; `note` tells why." }),
  region: z.string(),
  plan: z.string(),
  isolation: z.enum(["schema", "database", "server"]),
  state: z.enum(states),
  schemaVersion: z
    .number()
    .int()
    .openapi({ description: "Number of the newest migration that the data has." }),
  url: z.url(),
  createdAt: z.iso.datetime(),
  operation: z
    .strictObject({ kind: z.enum(operationKinds), startedAt: z.iso.datetime() })
    .optional()
    .openapi({ description: "What is being done to it as a whole; where one tenant was asked for." }),
  note: z.string().optional(),
});

/** A tenant. */
export const tenantSchema = tenantFields.openapi("Tenant");

/** A tenant that was waited for. */
export const createdTenantSchema = tenantFields
  .extend({ durationMs: z.number().int().openapi({ description: "From the request to the open doors." }) })
  .openapi("CreatedTenant");

/** A tenant that is closed, with what its end left. */
export const closedTenantSchema = tenantFields
  .extend({ certificate: certificateSchema })
  .openapi("ClosedTenant");

/** The slug in a path: whatever it is, an unknown one is not found. */
export const slugParameter = z.object({
  slug: z.string().openapi({ param: { name: "slug", in: "path" }, example: "acme" }),
});
