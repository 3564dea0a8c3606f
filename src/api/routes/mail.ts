import { createRoute, z } from "@hono/zod-openapi";
import type { RegionControl } from "../../control/region-control.ts";
import { fault } from "../../core/error.ts";
import type { Api, ApiDependencies } from "../dependencies.ts";
import { mailSchema } from "../schema/mail.ts";
import { problemResponse } from "../schema/problem.ts";
import { regionOf } from "./region.ts";

const listMail = createRoute({
  method: "get",
  path: "/v1/mail",
  summary: "The outbox, newest first",
  request: {
    query: z.object({
      tenant: z.string().optional().openapi({ description: "Only this tenant's messages." }),
      limit: z.coerce.number("must be a number").int().min(1).max(1000).default(100),
    }),
  },
  responses: {
    200: { description: "Messages", content: { "application/json": { schema: z.array(mailSchema) } } },
    ...problemResponse,
  },
});

/** `GET /v1/mail` */
export function addMailRoutes(api: Api, dependencies: ApiDependencies): void {
  api.openapi(listMail, async (context) => {
    const { tenant, limit } = context.req.valid("query");
    const regions = await regionsToAsk(dependencies, tenant);
    const outboxes = await Promise.all(
      regions.map(async ([region, control]) => {
        const records = await control.outbox({ limit, ...(tenant === undefined ? {} : { tenant }) });
        return records.map(({ createdAt, ...rest }) => ({
          ...rest,
          region,
          createdAt: new Date(createdAt).toISOString(),
        }));
      }),
    );
    const newestFirst = outboxes.flat().sort((a, b) => b.createdAt.localeCompare(a.createdAt));
    return context.json(newestFirst.slice(0, limit), 200);
  });
}

async function regionsToAsk(
  { directory, regions }: ApiDependencies,
  tenant: string | undefined,
): Promise<readonly (readonly [string, RegionControl])[]> {
  if (tenant === undefined) return [...regions];
  const entry = await directory.find(tenant);
  if (!entry) throw fault("E_TENANT_NOT_FOUND", `There is no tenant "${tenant}".`);
  return [[entry.region, regionOf(regions, entry.region)]];
}
