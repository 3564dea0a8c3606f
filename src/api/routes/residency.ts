import { createRoute, z } from "@hono/zod-openapi";
import type { Api, ApiDependencies } from "../dependencies.ts";
import { problemResponse } from "../schema/problem.ts";
import { residencyReportSchema } from "../schema/residency.ts";

const checkResidency = createRoute({
  method: "post",
  path: "/v1/residency-checks",
  summary: "Look whether a tenant's data is where it must not be",
  description:
    "Signs a throwaway tenant up in each region that runs, writes words into its data that are nowhere else, looks for " +
    "them in every other region and in the control plane, and closes the tenants again. Takes as long as reading all " +
    "that is stored.",
  request: {
    query: z.object({
      tenant: z.string().optional().openapi({
        description: "Use this tenant and no throwaway ones; only what its people don't see is written.",
      }),
    }),
  },
  responses: {
    200: {
      description: "What was planted, where it was looked for, and what was found",
      content: { "application/json": { schema: residencyReportSchema } },
    },
    ...problemResponse,
  },
});

/** `/v1/residency-checks` */
export function addResidencyRoutes(api: Api, dependencies: ApiDependencies): void {
  api.openapi(checkResidency, async (context) => {
    const { tenant } = context.req.valid("query");
    return context.json(await dependencies.checkResidency(tenant === undefined ? {} : { tenant }), 200);
  });
}
