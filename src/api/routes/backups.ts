import { createRoute, z } from "@hono/zod-openapi";
import { fault } from "../../core/error.ts";
import type { DirectoryEntry } from "../../core/tenant/tenant.ts";
import { archiveContentType, archiveResponse } from "../backup-streams.ts";
import type { Api, ApiDependencies } from "../dependencies.ts";
import { backupBody, backupSchema, takenBackupSchema } from "../schema/backup.ts";
import { problemResponse } from "../schema/problem.ts";
import { slugParameter } from "../schema/tenant.ts";
import { regionOf } from "./region.ts";

const takeBackup = createRoute({
  method: "post",
  path: "/v1/tenants/{slug}/backups",
  summary: "Take a backup of a tenant",
  description: "Answers when it is whole; with `verify`, after a trial restore of it.",
  request: {
    params: slugParameter,
    body: { content: { "application/json": { schema: backupBody } }, required: true },
  },
  responses: {
    201: { description: "The backup", content: { "application/json": { schema: takenBackupSchema } } },
    ...problemResponse,
  },
});

const listBackups = createRoute({
  method: "get",
  path: "/v1/tenants/{slug}/backups",
  summary: "A tenant's backups, newest first",
  request: { params: slugParameter },
  responses: {
    200: {
      description: "Those that its region keeps",
      content: { "application/json": { schema: z.array(backupSchema).readonly() } },
    },
    ...problemResponse,
  },
});

const exportTenant = createRoute({
  method: "get",
  path: "/v1/tenants/{slug}/export",
  summary: "All of a tenant's data as it is now, as one archive",
  description:
    "Not encrypted. A connection that breaks off leaves an archive that no reader takes for whole.",
  request: { params: slugParameter },
  responses: {
    200: {
      description: "The archive",
      content: {
        [archiveContentType]: { schema: z.string().openapi({ type: "string", format: "binary" }) },
      },
    },
    ...problemResponse,
  },
});

/** `/v1/tenants/{slug}/backups` and `/export` */
export function addBackupRoutes(api: Api, { directory, regions }: ApiDependencies): void {
  const find = async (slug: string): Promise<DirectoryEntry> => {
    const entry = await directory.find(slug);
    if (!entry) throw fault("E_TENANT_NOT_FOUND", `There is no tenant ${JSON.stringify(slug.slice(0, 80))}.`);
    return entry;
  };
  api.openapi(takeBackup, async (context) => {
    const startedAt = performance.now();
    const { slug, region } = await find(context.req.valid("param").slug);
    const { verify } = context.req.valid("json");
    const backup = await regionOf(regions, region).backUp({ slug, verify });
    return context.json({ ...backup, durationMs: Math.round(performance.now() - startedAt) }, 201);
  });
  api.openapi(listBackups, async (context) => {
    const { slug, region } = await find(context.req.valid("param").slug);
    return context.json(await regionOf(regions, region).backups({ slug }), 200);
  });
  api.openapi(exportTenant, async (context) => {
    const { slug, region } = await find(context.req.valid("param").slug);
    // The bytes are no typed answer.
    return (await archiveResponse(await regionOf(regions, region).exportArchive({ slug }))) as never;
  });
}
