import type { Certificate, Inventory } from "../../core/closing/certificate.ts";
import { fault, fromErrorJson } from "../../core/error.ts";
import { transition } from "../../core/tenant/lifecycle.ts";
import { hasEnded } from "../../core/workflow/state.ts";
import type { WorkflowExecution } from "../../ports/workflows.ts";
import type { RegionContext } from "../region-context.ts";
import { settleEach } from "../settle-each.ts";
import { TenantWorkflows } from "../tenant-workflows.ts";
import { Closings } from "./closings.ts";
import { leftoversOf } from "./elsewhere.ts";
import { isGenuine } from "./signature.ts";
import { sweepFinalExports } from "./sweep-final-exports.ts";
import { type CloseInput, closeWorkflow, closeWorkflowName } from "./workflow.ts";

/** A certificate with what became of it since. */
export interface CertificateDocument extends Certificate {
  /** Hash and signature fit what it says. */
  readonly genuine: boolean;
  /** ISO 8601; absent while the last export is kept. */
  readonly exportDeletedAt?: string;
}

/** A tenant's end, as a region's controller sees to it. */
export interface CloseControl {
  /**
   * Durable: once the tenant is closing its data will go, whatever crashes. Resolves when it is gone.
   * @throws E_TENANT_NOT_FOUND, E_TENANT_STATE, E_TENANT_BUSY, and what the closing failed with: it is tried again later
   */
  close(command: {
    readonly slug: string;
    /** Name of the operator. */
    readonly askedBy: string;
    readonly withoutExport: boolean;
  }): Promise<CertificateDocument>;
  /** `undefined` when this region closed no such tenant, or has not finished. */
  certificate(query: { readonly slug: string }): Promise<CertificateDocument | undefined>;
  /** What this region has of a tenant that lives in another one; with `remove` it is gone on return. @throws E_TENANT_STATE */
  leftovers(command: { readonly slug: string; readonly remove: boolean }): Promise<Inventory>;
}

/** How long one wait for a workflow's next event lasts before it is renewed. */
const waitSeconds = 20;

/** A closing that failed is begun anew after so long, again and again. */
const attemptPauseSeconds = 300;

/** Registers the closing's workflow; call before the workflows are launched. */
export function closeControl(context: RegionContext): CloseControl {
  const { directory, operations, platform, pool } = context;
  const closings = new Closings({ pool, clock: platform.clock });
  platform.workflows.register(closeWorkflow(context));
  const certificate = async (slug: string): Promise<CertificateDocument | undefined> => {
    const closing = await closings.find(slug);
    if (!closing?.certificate) return undefined;
    const { exportDeletedAt } = closing;
    return {
      ...closing.certificate,
      genuine: isGenuine(closing.certificate),
      ...(exportDeletedAt && { exportDeletedAt: exportDeletedAt.toISOString() }),
    };
  };
  return {
    async close({ slug, askedBy, withoutExport }) {
      const entry = await directory.find(slug);
      if (!entry) throw fault("E_TENANT_NOT_FOUND", `There is no tenant "${slug}".`);
      transition(entry.state, "beginClose");
      if (withoutExport) await closings.waiveExport(slug);
      const id =
        (await runningClose(context, slug)) ?? (await startClose(context, { slug, askedBy, withoutExport }));
      const ended = await untilEnded(context, id);
      // Of two who begin at once, one is told that the other has the tenant, and waits for that one's end.
      const other = ended.error?.code === "E_TENANT_BUSY" ? await runningClose(context, slug) : undefined;
      const { error } = other === undefined ? ended : await untilEnded(context, other);
      if (error) {
        await operations.release(slug, id);
        throw fromErrorJson(error);
      }
      const written = await certificate(slug);
      if (!written) throw fault("E_INTERNAL", `The tenant "${slug}" was closed without a certificate.`);
      return written;
    },
    certificate: ({ slug }) => certificate(slug),
    leftovers: ({ slug, remove }) => leftoversOf(context, slug, remove),
  };
}

/** Goes on with closings that failed, and ends what is kept for a while only: last exports, sign-ups that failed. */
export async function sweepClosings(context: RegionContext): Promise<void> {
  const { pool, platform } = context;
  const closings = new Closings({ pool, clock: platform.clock });
  await settleEach(
    [
      () => sweepFinalExports(context, closings),
      () => new TenantWorkflows({ pool, ...platform }).sweep(),
      () => beginAnew(context, closings),
    ],
    (sweep) => sweep(),
  );
}

/** Goes on with the closings that failed, if their pause is over. */
async function beginAnew(context: RegionContext, closings: Closings): Promise<void> {
  const { pool, platform, name } = context;
  const { rows } = await pool.query<{ slug: string }>(
    `SELECT slug FROM tenants LEFT JOIN closings USING (slug)
     WHERE region = $1 AND state = 'closing'
       AND NOT EXISTS (SELECT FROM tenant_operations o WHERE o.slug = tenants.slug)
       AND (attempted_at IS NULL OR attempted_at < $2::timestamptz - make_interval(secs => $3))`,
    [name, platform.clock.now(), attemptPauseSeconds],
  );
  for (const { slug } of rows) {
    const { askedBy = "rowhouse", withoutExport = false } = (await closings.find(slug)) ?? {};
    await startClose(context, { slug, askedBy, withoutExport });
  }
}

async function startClose(context: RegionContext, command: Omit<CloseInput, "id">): Promise<string> {
  const { platform, name } = context;
  const id = `${name}.close.${platform.random.uuid()}`;
  await platform.workflows.start(closeWorkflowName, id, { ...command, id } satisfies CloseInput);
  return id;
}

/** The closing that has the tenant just now; one that ended without letting go of it does so here. */
async function runningClose(
  { operations, platform }: RegionContext,
  slug: string,
): Promise<string | undefined> {
  const running = await operations.find(slug);
  if (running?.kind !== "close") return undefined;
  const execution = await platform.workflows.describe(running.id);
  if (execution && !hasEnded(execution.state)) return running.id;
  await operations.release(slug, running.id);
  return undefined;
}

async function untilEnded({ platform }: RegionContext, id: string): Promise<WorkflowExecution> {
  for (let seen = 0; ; ) {
    const execution = await platform.workflows.waitForChange(id, seen, waitSeconds);
    if (!execution) throw fault("E_INTERNAL", `The workflow ${id} is not known.`);
    if (hasEnded(execution.state)) return execution;
    seen = execution.history.length;
  }
}
