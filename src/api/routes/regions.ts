import { createRoute, z } from "@hono/zod-openapi";
import type { Context } from "hono";
import { streamSSE } from "hono/streaming";
import type { RegionOperation } from "../../control/regions/operation.ts";
import { toRowhouseError } from "../../core/error.ts";
import { problemDocument } from "../../core/problem.ts";
import type { Api, ApiDependencies } from "../dependencies.ts";
import { problemResponse } from "../schema/problem.ts";
import { createRegionBody, regionParameter, regionSchema } from "../schema/region.ts";

const oneRegion = { description: "The region", content: { "application/json": { schema: regionSchema } } };
const waiting = z.object({ wait: z.enum(["0", "1"], "must be 0 or 1").default("1") });

const listRegions = createRoute({
  method: "get",
  path: "/v1/regions",
  summary: "All regions, in the config's order",
  request: {
    query: z.object({
      drift: z
        .enum(["0", "1"], "must be 0 or 1")
        .default("0")
        .openapi({ description: "1: look now what differs, which may take minutes on AWS." }),
    }),
  },
  responses: {
    200: { description: "Regions", content: { "application/json": { schema: z.array(regionSchema) } } },
    ...problemResponse,
  },
});

const readRegion = createRoute({
  method: "get",
  path: "/v1/regions/{name}",
  summary: "One region",
  request: { params: regionParameter },
  responses: { 200: oneRegion, ...problemResponse },
});

const createRegion = createRoute({
  method: "post",
  path: "/v1/regions",
  summary: "Bring a region into being, or up to date",
  description: "Answers when it serves, or, with `wait=0`, once that has begun. Repeating it is no error.",
  request: {
    query: waiting,
    body: { required: true, content: { "application/json": { schema: createRegionBody } } },
  },
  responses: {
    201: { ...oneRegion, description: "The region, ready" },
    202: { ...oneRegion, description: "The region, being made" },
    ...problemResponse,
  },
});

const deleteRegion = createRoute({
  method: "delete",
  path: "/v1/regions/{name}",
  summary: "Remove a region and all that is stored in it",
  description:
    "Refused while a tenant lives there. Answers when it is gone, or, with `wait=0`, once nothing can stop that any more.",
  request: { params: regionParameter, query: waiting },
  responses: {
    200: { ...oneRegion, description: "The region, absent" },
    202: { ...oneRegion, description: "The region, being deleted" },
    ...problemResponse,
  },
});

const followEvents = createRoute({
  method: "get",
  path: "/v1/regions/{name}/events",
  summary: "What the creation or deletion of a region does, as it happens",
  description:
    "Server-sent events named `progress`, each with a `message`; the stream ends with the work. An event named " +
    "`problem` tells what it failed with.",
  request: { params: regionParameter },
  responses: {
    200: { description: "A stream of events", content: { "text/event-stream": { schema: z.string() } } },
    ...problemResponse,
  },
});

/** `/v1/regions` */
export function addRegionRoutes(api: Api, { regionStacks, recoveries }: ApiDependencies): void {
  api.openapi(listRegions, async (context) => {
    const lookNow = context.req.valid("query").drift === "1";
    return context.json(await regionStacks.list({ lookNow }), 200);
  });
  api.openapi(readRegion, async (context) =>
    context.json(await regionStacks.show(context.req.valid("param").name), 200),
  );
  api.openapi(createRegion, async (context) => {
    const { name } = context.req.valid("json");
    const operation = await regionStacks.create(name);
    const waits = context.req.valid("query").wait === "1";
    if (waits) await operation.done;
    return context.json(await regionStacks.show(name), waits ? 201 : 202);
  });
  api.openapi(deleteRegion, async (context) => {
    const { name } = context.req.valid("param");
    const operation = await regionStacks.delete(name);
    const waits = context.req.valid("query").wait === "1";
    const before = await regionStacks.show(name);
    if (!waits) return context.json(before, 202);
    await operation.done;
    // One that the config does not name any more is now unknown.
    return context.json({ ...before, status: "absent" as const }, 200);
  });
  api.openapi(followEvents, async (context) => {
    const { name } = context.req.valid("param");
    // A region is either made or removed, or given up or taken back: what runs is meant, or else what was last of both.
    const both = [regionStacks.operation(name), recoveries?.operation(name)].filter(
      (one) => one !== undefined,
    );
    const operation = both.find((one) => !one.hasEnded) ?? both.at(-1);
    if (!operation) await regionStacks.show(name);
    return streamOperation(context, operation);
  });
}

/** Without an operation there is nothing to tell, and the stream ends at once. */
function streamOperation(context: Context, operation: RegionOperation | undefined): Response {
  // Proxies that buffer would hold the events back.
  context.header("x-accel-buffering", "no");
  return streamSSE(context, async (stream) => {
    const aborted = new AbortController();
    stream.onAbort(() => aborted.abort());
    try {
      for await (const message of operation?.follow(aborted.signal) ?? [])
        await stream.writeSSE({ event: "progress", data: JSON.stringify({ message }) });
    } catch (thrown) {
      await stream.writeSSE({
        event: "problem",
        data: JSON.stringify(problemDocument(toRowhouseError(thrown))),
      });
    }
  });
}
