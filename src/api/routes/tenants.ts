import { createRoute, z } from "@hono/zod-openapi";
import {
  describeTenant,
  describeTenants,
  type TenantDocumentSources,
} from "../../control/tenant-document.ts";
import { fault } from "../../core/error.ts";
import type { DirectoryEntry } from "../../core/tenant/tenant.ts";
import type { Api, ApiDependencies } from "../dependencies.ts";
import { problemResponse } from "../schema/problem.ts";
import { slugParameter, tenantSchema } from "../schema/tenant.ts";
import { regionOf } from "./region.ts";

const listTenants = createRoute({
  method: "get",
  path: "/v1/tenants",
  summary: "All tenants by slug",
  description:
    "All of them, or `limit` after the slug `after`. The list is whole while a region is down; its names are null.",
  request: {
    query: z.object({
      region: z.string().optional(),
      after: z.string().optional(),
      limit: z.coerce.number("must be a number").int().min(1).optional(),
    }),
  },
  responses: {
    200: { description: "Tenants", content: { "application/json": { schema: z.array(tenantSchema) } } },
    ...problemResponse,
  },
});

const oneTenant = { description: "The tenant", content: { "application/json": { schema: tenantSchema } } };

const readTenant = createRoute({
  method: "get",
  path: "/v1/tenants/{slug}",
  summary: "One tenant",
  request: { params: slugParameter },
  responses: { 200: oneTenant, ...problemResponse },
});

const suspendTenant = createRoute({
  method: "post",
  path: "/v1/tenants/{slug}/suspend",
  summary: "Stop serving a tenant; its data stays",
  request: { params: slugParameter },
  responses: { 200: oneTenant, ...problemResponse },
});

const resumeTenant = createRoute({
  method: "post",
  path: "/v1/tenants/{slug}/resume",
  summary: "Serve a suspended tenant again",
  request: { params: slugParameter },
  responses: { 200: oneTenant, ...problemResponse },
});

/** `/v1/tenants`, all but the sign-up and the end */
export function addTenantRoutes(api: Api, { directory, regions, urls }: ApiDependencies): void {
  const sources: TenantDocumentSources = { regions, tenantUrl: urls.tenant };
  const find = async (slug: string): Promise<DirectoryEntry> => {
    const entry = await directory.find(slug);
    if (!entry) throw fault("E_TENANT_NOT_FOUND", `There is no tenant ${JSON.stringify(slug.slice(0, 80))}.`);
    return entry;
  };
  const describe = async (slug: string) => describeTenant(await find(slug), sources);

  api.openapi(listTenants, async (context) => {
    const { region, after, limit } = context.req.valid("query");
    const entries = await directory.list({
      ...(region === undefined ? {} : { region }),
      ...(after === undefined ? {} : { after }),
      ...(limit === undefined ? {} : { limit }),
    });
    return context.json(await describeTenants(entries, sources), 200);
  });
  api.openapi(readTenant, async (context) =>
    context.json(await describe(context.req.valid("param").slug), 200),
  );
  api.openapi(suspendTenant, async (context) => {
    const { slug, region } = await find(context.req.valid("param").slug);
    await regionOf(regions, region).suspend({ slug });
    return context.json(await describe(slug), 200);
  });
  api.openapi(resumeTenant, async (context) => {
    const { slug, region } = await find(context.req.valid("param").slug);
    await regionOf(regions, region).resume({ slug });
    return context.json(await describe(slug), 200);
  });
}
