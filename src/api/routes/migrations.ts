import { createRoute } from "@hono/zod-openapi";
import type { Context } from "hono";
import { streamSSE } from "hono/streaming";
import { type MigrateDocument, type MigrateProgress, runMigrations } from "../../control/migration/run.ts";
import { describeMigrations } from "../../control/migration/status.ts";
import { toRowhouseError } from "../../core/error.ts";
import { problemDocument } from "../../core/problem.ts";
import type { Api, ApiDependencies } from "../dependencies.ts";
import { migrateBody, migrationSchema, migrationStatusSchema } from "../schema/migration.ts";
import { problemResponse } from "../schema/problem.ts";

const readStatus = createRoute({
  method: "get",
  path: "/v1/migrations",
  summary: "How many tenants have which schema version",
  responses: {
    200: {
      description: "From the directory alone",
      content: { "application/json": { schema: migrationStatusSchema } },
    },
    ...problemResponse,
  },
});

const migrate = createRoute({
  method: "post",
  path: "/v1/migrations",
  summary: "Bring every tenant to the newest schema",
  description:
    "Answers when the run is through. With `Accept: text/event-stream` the answer is a stream: events named " +
    "`progress`, and `result` or `problem` as the last one. A run that is broken off is continued by the next.",
  request: { body: { content: { "application/json": { schema: migrateBody } }, required: true } },
  responses: {
    200: { description: "What was done", content: { "application/json": { schema: migrationSchema } } },
    ...problemResponse,
  },
});

/** `/v1/migrations` */
export function addMigrationRoutes(api: Api, { directory, regions, clock }: ApiDependencies): void {
  api.openapi(readStatus, async (context) =>
    context.json(await describeMigrations({ directory, regions }), 200),
  );
  api.openapi(migrate, async (context) => {
    const { tenant, ...limits } = context.req.valid("json");
    const options = { ...limits, ...(tenant === undefined ? {} : { tenant }) };
    const run = (onProgress?: (progress: MigrateProgress) => void) =>
      runMigrations({ directory, regions, clock, ...(onProgress ? { onProgress } : {}) }, options);
    const wantsStream = context.req.header("accept")?.includes("text/event-stream");
    // The stream is the same answer in parts, which the route's types can't say.
    if (wantsStream) return streamRun(context, run) as never;
    return context.json(await run(), 200);
  });
}

function streamRun(
  context: Context,
  run: (onProgress: (progress: MigrateProgress) => void) => Promise<MigrateDocument>,
): Response {
  context.header("x-accel-buffering", "no");
  return streamSSE(context, async (stream) => {
    const write = (event: string, data: unknown) => stream.writeSSE({ event, data: JSON.stringify(data) });
    try {
      await write("result", await run((progress) => void write("progress", progress)));
    } catch (thrown) {
      await write("problem", problemDocument(toRowhouseError(thrown)));
    }
  });
}
