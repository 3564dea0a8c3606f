import { createRoute, z } from "@hono/zod-openapi";
import type { MoveStatus } from "../../control/move/status.ts";
import type { RegionControl } from "../../control/region-control.ts";
import { fault, fromErrorJson } from "../../core/error.ts";
import { hasEnded } from "../../core/workflow/state.ts";
import type { Api, ApiDependencies } from "../dependencies.ts";
import { auditEntrySchema, moveBody, moveParameter, moveResultSchema, moveSchema } from "../schema/move.ts";
import { problemResponse } from "../schema/problem.ts";
import { slugParameter } from "../schema/tenant.ts";
import { regionOf } from "./region.ts";

/** How long an answer that waits for the next step may take. */
const waitSeconds = 2;

const moveTenant = createRoute({
  method: "post",
  path: "/v1/tenants/{slug}/move",
  summary: "Move a tenant to another region or plan while it is used",
  description: "Answers with the move while it runs, or, with `wait=1`, with what it did when it has ended.",
  request: {
    params: slugParameter,
    query: z.object({ wait: z.enum(["0", "1"], "must be 0 or 1").default("0") }),
    body: { required: true, content: { "application/json": { schema: moveBody } } },
  },
  responses: {
    200: { description: "What it did", content: { "application/json": { schema: moveResultSchema } } },
    202: { description: "The move, under way", content: { "application/json": { schema: moveSchema } } },
    ...problemResponse,
  },
});

const readMove = createRoute({
  method: "get",
  path: "/v1/moves/{id}",
  summary: "How far a move is",
  description: `With \`seen\` it answers when there are more events than that, or after ${waitSeconds} seconds.`,
  request: {
    params: moveParameter,
    query: z.object({ seen: z.coerce.number("must be a number").int().min(0).optional() }),
  },
  responses: {
    200: { description: "Each step", content: { "application/json": { schema: moveSchema } } },
    ...problemResponse,
  },
});

const readAudit = createRoute({
  method: "get",
  path: "/v1/audit",
  summary: "What was decided about tenants, and by whom",
  description: "Oldest first. Each region keeps its own; both regions of a move keep it.",
  request: { query: z.object({ tenant: z.string().optional(), region: z.string().optional() }) },
  responses: {
    200: {
      description: "The entries",
      content: { "application/json": { schema: z.array(auditEntrySchema).readonly() } },
    },
    ...problemResponse,
  },
});

/** `/v1/tenants/{slug}/move`, `/v1/moves` and `/v1/audit` */
export function addMoveRoutes(api: Api, { directory, regions }: ApiDependencies): void {
  api.openapi(moveTenant, async (context) => {
    const { slug } = context.req.valid("param");
    const entry = await directory.find(slug);
    if (!entry) throw fault("E_TENANT_NOT_FOUND", `There is no tenant ${JSON.stringify(slug.slice(0, 80))}.`);
    const { region, plan, consent } = context.req.valid("json");
    const control = regionOf(regions, entry.region);
    const move = await control.startMove({
      slug,
      askedBy: context.get("operator").name,
      ...(region !== undefined && { region }),
      ...(plan !== undefined && { plan }),
      ...(consent !== undefined && { consent }),
    });
    if (context.req.valid("query").wait === "0") {
      context.header("location", `/v1/moves/${move.id}`);
      return context.json(move, 202);
    }
    const ended = await untilEnded(control, move);
    if (ended.error) throw fromErrorJson(ended.error);
    if (!ended.result) throw fault("E_INTERNAL", `The move ${move.id} has no result.`);
    return context.json(ended.result, 200);
  });
  api.openapi(readMove, async (context) => {
    const { id } = context.req.valid("param");
    const { seen } = context.req.valid("query");
    // A move's id begins with the name of the region that it leaves, and a dot.
    const region = regions.get(id.slice(0, Math.max(0, id.indexOf("."))));
    const move = await (seen === undefined
      ? region?.move({ id })
      : region?.waitForMove({ id, seen, timeoutSeconds: waitSeconds }));
    if (!move) throw fault("E_NOT_FOUND", `There is no move "${id.slice(0, 100)}".`);
    return context.json(move, 200);
  });
  api.openapi(readAudit, async (context) => {
    const { tenant, region } = context.req.valid("query");
    const asked = region === undefined ? [...regions.values()] : [regionOf(regions, region)];
    const query = tenant === undefined ? {} : { slug: tenant };
    const entries = await Promise.all(asked.map((control) => control.audit(query)));
    return context.json(
      entries.flat().toSorted((a, b) => a.at.localeCompare(b.at)),
      200,
    );
  });
}

async function untilEnded(control: RegionControl, move: MoveStatus): Promise<MoveStatus> {
  let last = move;
  while (!hasEnded(last.state)) {
    const query = { id: move.id, seen: last.events, timeoutSeconds: waitSeconds };
    last = (await control.waitForMove(query)) ?? last;
  }
  return last;
}
