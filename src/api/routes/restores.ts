import { setTimeout as sleep } from "node:timers/promises";
import { createRoute, z } from "@hono/zod-openapi";
import type { RestorationStatus } from "../../control/backup/restoration.ts";
import type { RegionControl } from "../../control/region-control.ts";
import { fault, fromErrorJson, RowhouseError } from "../../core/error.ts";
import { parseSlug } from "../../core/tenant/slug.ts";
import { hasEnded } from "../../core/workflow/state.ts";
import { admitSignup } from "../admit-signup.ts";
import { archiveContentType, bodyOf } from "../backup-streams.ts";
import type { Api, ApiDependencies } from "../dependencies.ts";
import {
  importQuery,
  restorationParameter,
  restorationResultSchema,
  restorationSchema,
  restoreBody,
} from "../schema/backup.ts";
import { problemResponse } from "../schema/problem.ts";
import { slugParameter } from "../schema/tenant.ts";
import { regionOf } from "./region.ts";

/** How long an answer that waits for the next step may take. */
const waitSeconds = 2;

const patienceMilliseconds = 60_000;
const pauseMilliseconds = 200;

const waitQuery = z.object({ wait: z.enum(["0", "1"], "must be 0 or 1").default("0") });

const answers = {
  200: {
    description: "What it did (`wait=1`)",
    content: { "application/json": { schema: restorationResultSchema } },
  },
  202: { description: "It is under way", content: { "application/json": { schema: restorationSchema } } },
  ...problemResponse,
};

const restoreTenant = createRoute({
  method: "post",
  path: "/v1/tenants/{slug}/restore",
  summary: "Bring a tenant's data back from a backup, into itself or as a new tenant",
  description:
    "The newest backup, or the one that is named, or the newest that is not after `at`. Answers while it runs, or, with " +
    "`wait=1`, when it has ended. Requests wait for the switch; the state before becomes a backup itself.",
  request: {
    params: slugParameter,
    query: waitQuery,
    body: { content: { "application/json": { schema: restoreBody } }, required: true },
  },
  responses: answers,
});

const importTenant = createRoute({
  method: "put",
  path: "/v1/tenants/{slug}/import",
  summary: "Take an archive in, as a new tenant or in place of a tenant's data",
  description:
    "The archive is read through and checked before anything is touched. An older schema is migrated afterwards; one " +
    "that is newer than the release, or made by other migrations, is refused.",
  request: {
    params: slugParameter,
    query: importQuery.extend(waitQuery.shape),
    body: {
      content: {
        [archiveContentType]: { schema: z.string().openapi({ type: "string", format: "binary" }) },
      },
      required: true,
    },
  },
  responses: answers,
});

const readRestore = createRoute({
  method: "get",
  path: "/v1/restores/{id}",
  summary: "How far a restore or import is",
  description: `Answers when there are more events than \`seen\`, or after ${waitSeconds} seconds.`,
  request: {
    params: restorationParameter,
    query: z.object({ seen: z.coerce.number("must be a number").int().min(0).default(0) }),
  },
  responses: {
    200: { description: "Its state", content: { "application/json": { schema: restorationSchema } } },
    ...problemResponse,
  },
});

/** `/v1/tenants/{slug}/restore`, `/import`, and `/v1/restores` */
export function addRestoreRoutes(api: Api, dependencies: ApiDependencies): void {
  const { directory, regions } = dependencies;
  api.openapi(restoreTenant, async (context) => {
    const { slug } = context.req.valid("param");
    const entry = await directory.find(slug);
    if (!entry) throw fault("E_TENANT_NOT_FOUND", `There is no tenant ${JSON.stringify(slug.slice(0, 80))}.`);
    const { backup, at, as } = context.req.valid("json");
    if (as !== undefined) await requireFree(dependencies, as);
    const control = regionOf(regions, entry.region);
    const begun = await control.startRestore({
      slug,
      ...(backup === undefined ? {} : { backup }),
      ...(at === undefined ? {} : { at }),
      ...(as === undefined ? {} : { as }),
    });
    if (context.req.valid("query").wait === "1")
      return context.json(await resultOf(await untilEnded(control, begun)), 200);
    return context.json(begun, 202, { location: `/v1/restores/${begun.id}` });
  });
  api.openapi(importTenant, async (context) => {
    const { slug } = context.req.valid("param");
    const { replace, region, wait, ...told } = context.req.valid("query");
    const control =
      replace === "1"
        ? await present(dependencies, slug)
        : await roomFor(dependencies, { slug, region, plan: told.plan });
    const profile = Object.fromEntries(Object.entries(told).filter(([, value]) => value !== undefined));
    const begun = await control.importArchive(
      { slug, replace: replace === "1", ...profile },
      bodyOf(context),
    );
    if (wait === "1") return context.json(await resultOf(await untilEnded(control, begun)), 200);
    return context.json(begun, 202, { location: `/v1/restores/${begun.id}` });
  });
  api.openapi(readRestore, async (context) => {
    const { id } = context.req.valid("param");
    // It begins with the name of the region and a dot.
    const region = regions.get(id.slice(0, Math.max(0, id.indexOf("."))));
    if (!region) throw fault("E_NOT_FOUND", `There is no restore "${id.slice(0, 100)}".`);
    const { seen } = context.req.valid("query");
    return context.json(await nextStatus(region, { id, seen }), 200);
  });
}

/** The region of the tenant whose data is to be replaced. @throws E_TENANT_NOT_FOUND */
async function present({ directory, regions }: ApiDependencies, slug: string): Promise<RegionControl> {
  const entry = await directory.find(slug);
  if (entry) return regionOf(regions, entry.region);
  throw fault("E_TENANT_NOT_FOUND", `There is no tenant ${JSON.stringify(slug.slice(0, 80))}.`);
}

/** The region that a new tenant goes to. */
async function roomFor(
  dependencies: ApiDependencies,
  wish: { readonly slug: string; readonly region: string | undefined; readonly plan: string | undefined },
): Promise<RegionControl> {
  const { slug, region, plan } = wish;
  await requireFree(dependencies, slug);
  if (region === undefined)
    throw fault(
      "E_ARGUMENT",
      `There is no tenant "${slug}" yet, and no \`region\` says where it is to live.`,
    );
  // Without a plan the archive's is checked once it is known.
  const input = {
    slug,
    name: "",
    email: "",
    region,
    plan: plan ?? Object.keys(dependencies.config.plans)[0] ?? "",
  };
  return admitSignup(input, dependencies);
}

/** @throws E_TENANT_SLUG_INVALID, E_TENANT_SLUG_RESERVED, E_TENANT_SLUG_TAKEN */
async function requireFree({ directory }: ApiDependencies, slug: string): Promise<void> {
  parseSlug(slug);
  if (await directory.find(slug)) throw fault("E_TENANT_SLUG_TAKEN", `The slug "${slug}" is taken.`);
}

async function untilEnded(control: RegionControl, begun: RestorationStatus): Promise<RestorationStatus> {
  let last = begun;
  while (!hasEnded(last.state)) last = await nextStatus(control, { id: last.id, seen: last.events });
  return last;
}

/** Its controller may be away for a while, and then goes on with it. */
async function nextStatus(
  control: RegionControl,
  query: { readonly id: string; readonly seen: number },
): Promise<RestorationStatus> {
  for (const deadline = performance.now() + patienceMilliseconds; ; await sleep(pauseMilliseconds)) {
    try {
      return await control.waitForRestore({ ...query, timeoutSeconds: waitSeconds });
    } catch (error) {
      const isPassing = error instanceof RowhouseError && error.status === 503;
      if (!isPassing || performance.now() > deadline) throw error;
    }
  }
}

function resultOf({ id, error, result }: RestorationStatus) {
  if (error) throw fromErrorJson(error);
  if (result) return result;
  throw fault("E_INTERNAL", `The restore ${id} has no result.`);
}
