import { createRoute } from "@hono/zod-openapi";
import type { Api, ApiDependencies } from "../dependencies.ts";
import { problemResponse } from "../schema/problem.ts";
import { statusSchema } from "../schema/status.ts";

const readStatus = createRoute({
  method: "get",
  path: "/v1/status",
  summary: "What runs, where, and how it is",
  responses: {
    200: { description: "The whole system", content: { "application/json": { schema: statusSchema } } },
    ...problemResponse,
  },
});

/** `GET /v1/status` */
export function addStatusRoutes(api: Api, { status }: ApiDependencies): void {
  api.openapi(readStatus, async (context) => context.json(await status(), 200));
}
