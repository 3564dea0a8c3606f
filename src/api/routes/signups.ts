import { createRoute, z } from "@hono/zod-openapi";
import { streamSSE } from "hono/streaming";
import { followSignup } from "../../control/follow-signup.ts";
import type { RegionControl, SignupStatus } from "../../control/region-control.ts";
import { fault, toRowhouseError } from "../../core/error.ts";
import { problemDocument } from "../../core/problem.ts";
import type { Api, ApiDependencies } from "../dependencies.ts";
import { problemResponse } from "../schema/problem.ts";
import { signupParameter, signupSchema } from "../schema/signup.ts";

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

const keepAliveMilliseconds = 15_000;

/** `GET /v1/signups/:id` and its events */
export function addSignupRoutes(api: Api, { regions }: ApiDependencies): void {
  api.openapi(readSignup, async (context) => {
    const { status } = await findSignup(regions, context.req.valid("param").id);
    return context.json(status, 200);
  });
  api.openapi(followEvents, async (context) => {
    const { region, status } = await findSignup(regions, context.req.valid("param").id);
    // Proxies that buffer would hold the events back.
    context.header("x-accel-buffering", "no");
    return streamSSE(context, async (stream) => {
      const aborted = new AbortController();
      stream.onAbort(() => aborted.abort());
      // A comment: clients pass over it, and what is between keeps the connection open.
      const keepAlive = setInterval(() => void stream.write(":\n\n"), keepAliveMilliseconds);
      try {
        for await (const change of followSignup(region, status, aborted.signal)) {
          await stream.writeSSE({ event: "status", data: JSON.stringify(change) });
        }
      } catch (error) {
        await stream.writeSSE({
          event: "problem",
          data: JSON.stringify(problemDocument(toRowhouseError(error))),
        });
      } finally {
        clearInterval(keepAlive);
      }
    });
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
