import { fault, fromErrorJson } from "../../core/error.ts";
import { archivedMigrations } from "../archive/archive.ts";
import { planOf, type RegionContext } from "../region-context.ts";
import { TenantWorkflows } from "../tenant-workflows.ts";
import {
  foundWorkflowName,
  type RestorationStatus,
  restorationStatus,
  restoreWorkflowName,
} from "./restoration.ts";
import type { FoundInput, RestoreInput, RestoreOrigin } from "./restore-input.ts";
import { type ArchiveSource, withArchive } from "./sealed-archive.ts";
import { catalogueOf, findTenant } from "./source.ts";

interface Wish {
  readonly slug: string;
  readonly kind: "restore" | "import";
  readonly source: ArchiveSource;
  readonly origin: RestoreOrigin;
  /** Of the workflow; a new one unless told. */
  readonly id?: string;
}

/**
 * Begins to replace a tenant's data by the archive's; returns once nothing refused it.
 * @throws E_TENANT_NOT_FOUND, E_TENANT_STATE, E_TENANT_BUSY, E_ARCHIVE_SCHEMA
 */
export async function restoreInto(context: RegionContext, wish: Wish): Promise<RestorationStatus> {
  const { state } = await findTenant(context, wish.slug);
  if (state !== "active" && state !== "suspended")
    throw fault("E_TENANT_STATE", `The tenant "${wish.slug}" is ${state}, and can't be restored.`);
  await checkSchema(context, wish.source);
  const id = wish.id ?? operationId(context, wish.kind);
  const { slug, kind, source, origin } = wish;
  const beforeId = catalogueOf(context).newId();
  const input: RestoreInput = { id, kind, slug, source, origin, from: state, beforeId };
  return begin(context, restoreWorkflowName, input);
}

/**
 * Begins to make a new tenant of the archive; what is not told of it the archive says. Returns once nothing refused it.
 * @throws E_TENANT_SLUG_TAKEN, E_PLAN_UNKNOWN, E_ARCHIVE_SCHEMA
 */
export async function foundFrom(
  context: RegionContext,
  wish: Wish & Partial<Pick<FoundInput, "name" | "plan" | "email">>,
): Promise<RestorationStatus> {
  const archived = await checkSchema(context, wish.source);
  const { slug, kind, source, origin, name, plan, email } = wish;
  const input: FoundInput = {
    id: wish.id ?? operationId(context, kind),
    kind,
    slug,
    source,
    origin,
    region: context.name,
    name: name ?? archived.name,
    plan: plan ?? archived.plan,
    email: email ?? archived.administratorEmail,
  };
  planOf(context.config, input.plan);
  return begin(context, foundWorkflowName, input);
}

/** The name of a restore or import that begins now. */
export function operationId({ name, platform }: RegionContext, kind: Wish["kind"]): string {
  return `${name}.${kind}.${platform.random.uuid()}`;
}

/** Who the archive is of, if this region's release can take it. @throws E_ARCHIVE_SCHEMA */
function checkSchema(context: RegionContext, source: ArchiveSource) {
  return withArchive(context.platform, source, async ({ manifest }) => {
    archivedMigrations(manifest, context.release().migrations);
    return manifest.tenant;
  });
}

/** Returns once the first step is done: what it refuses, the caller hears. */
async function begin(
  { pool, platform }: RegionContext,
  workflow: string,
  input: RestoreInput | FoundInput,
): Promise<RestorationStatus> {
  const { workflows, clock } = platform;
  await new TenantWorkflows({ pool, workflows, clock }).note(input.slug, input.id);
  await workflows.start(workflow, input.id, input);
  for (;;) {
    const execution = await workflows.waitForChange(input.id, 0, 20);
    const first = execution?.history[0];
    if (first?.type === "stepFailed") throw fromErrorJson(first.error);
    const status = first && restorationStatus(execution);
    if (status) return status;
  }
}
