import { createRoute, z } from "@hono/zod-openapi";
import type { DatabaseControl } from "../../control/database/control.ts";
import { failOverDatabase, globalDatabases, listDatabases } from "../../control/database/servers.ts";
import type { Api, ApiDependencies } from "../dependencies.ts";
import { databaseFailOverSchema, databaseSchema } from "../schema/database.ts";
import { problemResponse } from "../schema/problem.ts";

const listRoute = createRoute({
  method: "get",
  path: "/v1/databases",
  summary: "All database servers, with what their standbys have",
  description: "Of every region that answers, and of the control plane.",
  responses: {
    200: { description: "Servers", content: { "application/json": { schema: z.array(databaseSchema) } } },
    ...problemResponse,
  },
});

const failOverRoute = createRoute({
  method: "post",
  path: "/v1/databases/{region}/{server}/fail-over",
  summary: "Make a database server's standby the primary",
  description: "No acknowledged write is lost; open transactions end, and connections with them.",
  request: {
    params: z.object({
      region: z.string().openapi({ param: { name: "region", in: "path" }, example: "eu-west-1" }),
      server: z.string().openapi({ param: { name: "server", in: "path" }, example: "shared-1" }),
    }),
  },
  responses: {
    200: {
      description: "The standby is the primary",
      content: { "application/json": { schema: databaseFailOverSchema } },
    },
    ...problemResponse,
  },
});

/** `/v1/databases` */
export function addDatabaseRoutes(api: Api, { regions, directoryDatabases }: ApiDependencies): void {
  const sources = (): ReadonlyMap<string, DatabaseControl> =>
    new Map<string, DatabaseControl>([
      ...regions,
      ...(directoryDatabases ? ([[globalDatabases, directoryDatabases]] as const) : []),
    ]);
  api.openapi(listRoute, async (context) => context.json(await listDatabases(sources()), 200));
  api.openapi(failOverRoute, async (context) => {
    const failedOver = await failOverDatabase(sources(), context.req.valid("param"));
    return context.json(failedOver, 200);
  });
}
