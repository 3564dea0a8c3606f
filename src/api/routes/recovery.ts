import { setTimeout as sleep } from "node:timers/promises";
import { createRoute, z } from "@hono/zod-openapi";
import { fault } from "../../core/error.ts";
import { strictBody } from "../argument.ts";
import type { Api, ApiDependencies } from "../dependencies.ts";
import { problemResponse } from "../schema/problem.ts";
import { failBackSchema, failOverSchema } from "../schema/recovery.ts";
import { regionParameter, regionSchema } from "../schema/region.ts";

const waiting = z.object({ wait: z.enum(["0", "1"], "must be 0 or 1").default("1") });
const begun = {
  description: "The region, while that goes on",
  content: { "application/json": { schema: regionSchema } },
};

const failOver = createRoute({
  method: "post",
  path: "/v1/regions/{name}/fail-over",
  summary: "Bring a lost region's tenants back in its recovery region",
  description:
    "Answers with what came of it, or, with `wait=0`, once that has begun. Repeating it goes on with what was " +
    "interrupted, or tells the outcome again. `/events` of the region tells what it does.",
  request: {
    params: regionParameter,
    query: waiting,
    body: {
      required: false,
      content: {
        "application/json": {
          schema: strictBody({
            force: z.boolean().default(false).openapi({ description: "Give up a region that serves." }),
          }).openapi("FailOverRegion"),
        },
      },
    },
  },
  responses: {
    200: { description: "The outcome", content: { "application/json": { schema: failOverSchema } } },
    202: begun,
    ...problemResponse,
  },
});

const failBack = createRoute({
  method: "post",
  path: "/v1/regions/{name}/fail-back",
  summary: "Take a lost region into service again, empty, and move its tenants back",
  description:
    "Everything that is still stored there of them is removed first. Answers as the failover does. Repeating it goes " +
    "on where it was, and tries tenants again that could not be moved.",
  request: { params: regionParameter, query: waiting },
  responses: {
    200: { description: "The outcome", content: { "application/json": { schema: failBackSchema } } },
    202: begun,
    ...problemResponse,
  },
});

const readFailOver = createRoute({
  method: "get",
  path: "/v1/regions/{name}/fail-over",
  summary: "What came of a region's failover",
  description: "Of the one that runs, when it has ended, or else of the last one.",
  request: { params: regionParameter },
  responses: {
    200: { description: "The outcome", content: { "application/json": { schema: failOverSchema } } },
    ...problemResponse,
  },
});

const readFailBack = createRoute({
  method: "get",
  path: "/v1/regions/{name}/fail-back",
  summary: "What came of a region's way back",
  description: "Of the one that runs, when it has ended, or else of the last one.",
  request: { params: regionParameter },
  responses: {
    200: { description: "The outcome", content: { "application/json": { schema: failBackSchema } } },
    ...problemResponse,
  },
});

/** `/v1/regions/{name}/fail-over` and `/fail-back` */
export function addRecoveryRoutes(api: Api, { regionStacks, recoveries }: ApiDependencies): void {
  api.openapi(failOver, async (context) => {
    const { name } = context.req.valid("param");
    const { force = false } = context.req.valid("json") ?? {};
    const ended = (recoveries ?? unsupported()).failOver(name, { force });
    if (context.req.valid("query").wait === "1") return context.json(await ended, 200);
    await begins(ended, () => recoveries?.operation(name));
    return context.json(await regionStacks.show(name), 202);
  });
  api.openapi(failBack, async (context) => {
    const { name } = context.req.valid("param");
    const ended = (recoveries ?? unsupported()).failBack(name);
    if (context.req.valid("query").wait === "1") return context.json(await ended, 200);
    await begins(ended, () => recoveries?.operation(name));
    return context.json(await regionStacks.show(name), 202);
  });
  api.openapi(readFailOver, async (context) =>
    context.json(await (recoveries ?? unsupported()).failOverOutcome(context.req.valid("param").name), 200),
  );
  api.openapi(readFailBack, async (context) =>
    context.json(await (recoveries ?? unsupported()).failBackOutcome(context.req.valid("param").name), 200),
  );
}

const pollMilliseconds = 10;

/** What is refused at once the caller hears; what fails later is told to those who follow. */
async function begins(
  ended: Promise<unknown>,
  running: () => { readonly hasEnded: boolean } | undefined,
): Promise<void> {
  let isOver = false;
  const over = () => {
    isOver = true;
  };
  ended.then(over, over);
  while (!isOver && running()?.hasEnded !== false) await sleep(pollMilliseconds);
  // One that has begun goes on; whatever became of one that has not is thrown here.
  if (isOver) await ended;
}

function unsupported(): never {
  throw fault("E_CONFLICT", "The control plane does not recover regions by itself on this target.", {
    remedy: "docs/recovering.md says what to do.",
  });
}
