import { setTimeout as sleep } from "node:timers/promises";
import { createRoute, z } from "@hono/zod-openapi";
import type { Directory } from "../../control/directory.ts";
import { describeTenant } from "../../control/tenant-document.ts";
import { fault } from "../../core/error.ts";
import type { DirectoryEntry } from "../../core/tenant/tenant.ts";
import type { Api, ApiDependencies } from "../dependencies.ts";
import { certificateSchema } from "../schema/certificate.ts";
import { problemResponse } from "../schema/problem.ts";
import { closedTenantSchema, slugParameter, tenantSchema } from "../schema/tenant.ts";
import { regionOf } from "./region.ts";

const closeTenant = createRoute({
  method: "post",
  path: "/v1/tenants/{slug}/close",
  summary: "Close a tenant for good",
  description:
    "Keeps a last export for a while, deletes everything else, and writes a certificate of it. Answers when that is done, " +
    "or, with `wait=0`, once nothing can stop it any more.",
  request: {
    params: slugParameter,
    query: z.object({
      wait: z.enum(["0", "1"], "must be 0 or 1").default("1"),
      export: z
        .enum(["0", "1"], "must be 0 or 1")
        .default("1")
        .openapi({ description: "0: keep no last export, and don't wait for a database that is away." }),
    }),
  },
  responses: {
    200: {
      description: "The tenant, closed",
      content: { "application/json": { schema: closedTenantSchema } },
    },
    202: {
      description: "The tenant, still closing",
      content: { "application/json": { schema: tenantSchema } },
    },
    ...problemResponse,
  },
});

const readCertificate = createRoute({
  method: "get",
  path: "/v1/tenants/{slug}/certificate",
  summary: "The certificate of deletion of a closed tenant",
  request: { params: slugParameter },
  responses: {
    200: {
      description: "The certificate",
      content: { "application/json": { schema: certificateSchema } },
    },
    ...problemResponse,
  },
});

/** `/v1/tenants/{slug}/close` and what is left of a tenant after it */
export function addClosingRoutes(api: Api, { directory, regions, urls }: ApiDependencies): void {
  const find = async (slug: string): Promise<DirectoryEntry> => {
    const entry = await directory.find(slug);
    if (!entry) throw fault("E_TENANT_NOT_FOUND", `There is no tenant ${JSON.stringify(slug.slice(0, 80))}.`);
    return entry;
  };
  const describe = async (slug: string) =>
    describeTenant(await find(slug), { regions, tenantUrl: urls.tenant });

  api.openapi(closeTenant, async (context) => {
    const { slug, region } = await find(context.req.valid("param").slug);
    const query = context.req.valid("query");
    const closed = regionOf(regions, region).close({
      slug,
      askedBy: context.get("operator").name,
      withoutExport: query.export === "0",
    });
    if (query.wait === "0") await Promise.race([closed, untilClosing(directory, slug, closed)]);
    else await closed;
    const document = await describe(slug);
    if (document.state !== "closed") return context.json(document, 202);
    return context.json({ ...document, certificate: await closed }, 200);
  });
  api.openapi(readCertificate, async (context) => {
    const { slug, region, state } = await find(context.req.valid("param").slug);
    const certificate = await regionOf(regions, region).certificate({ slug });
    if (!certificate)
      throw fault("E_NOT_FOUND", `The tenant "${slug}" has no certificate of deletion: it is ${state}.`, {
        remedy: "A tenant gets one by `rowhouse tenant close <slug>`.",
      });
    return context.json(certificate, 200);
  });
}

/** Resolves once the directory says that the tenant is closing: from then on it goes through, whatever crashes. */
async function untilClosing(directory: Directory, slug: string, closed: Promise<unknown>): Promise<void> {
  let settled = false;
  const settle = () => {
    settled = true;
  };
  closed.then(settle, settle);
  while (!settled) {
    const state = (await directory.find(slug))?.state;
    if (state === undefined || state === "closing" || state === "closed") return;
    await sleep(50);
  }
}
