import { createRoute, z } from "@hono/zod-openapi";
import type { RegionControl, SignupStatus } from "../../control/region-control.ts";
import { fault } from "../../core/error.ts";
import type { Api, ApiDependencies } from "../dependencies.ts";
import { problemResponse } from "../schema/problem.ts";
import { signupParameter, signupSchema } from "../schema/signup.ts";
import { streamSignup } from "../signup-events.ts";

const readSignup = createRoute({
  method: "get",
  path: "/v1/signups/{id}",
  summary: "How far a sign-up is",
  request: { params: signupParameter },
  responses: {
    200: { description: "Each step", content: { "application/json": { schema: signupSchema } } },
    ...problemResponse,
  },
});

const followEvents = createRoute({
  method: "get",
  path: "/v1/signups/{id}/events",
  summary: "Each change of a sign-up as it happens",
  description:
    "Server-sent events named `status`, each with a Signup as its data; the stream ends after the last one. " +
    "An event named `problem` tells that the region stopped answering.",
  request: { params: signupParameter },
  responses: {
    200: { description: "A stream of events", content: { "text/event-stream": { schema: z.string() } } },
    ...problemResponse,
  },
});

/** `GET /v1/signups/:id` and its events */
export function addSignupRoutes(api: Api, { regions }: ApiDependencies): void {
  api.openapi(readSignup, async (context) => {
    const { status } = await findSignup(regions, context.req.valid("param").id);
    return context.json(status, 200);
  });
  api.openapi(followEvents, async (context) => {
    const { region, status } = await findSignup(regions, context.req.valid("param").id);
    return streamSignup(context, region, status, { isPublic: false });
  });
}

/** A sign-up's id begins with its region's name and a dot. @throws E_NOT_FOUND */
async function findSignup(
  regions: ReadonlyMap<string, RegionControl>,
  id: string,
): Promise<{ readonly region: RegionControl; readonly status: SignupStatus }> {
  const region = regions.get(id.slice(0, Math.max(0, id.indexOf("."))));
  const status = await region?.signup({ id });
  if (!region || !status) throw fault("E_NOT_FOUND", `There is no sign-up "${id.slice(0, 100)}".`);
  return { region, status };
}
