import { hasEnded } from "../../core/workflow/state.ts";
import { restoreWorkflow } from "../backup/restore-workflow.ts";
import type { RegionContext } from "../region-context.ts";
import { settleEach } from "../settle-each.ts";
import type { TenantOperation } from "../tenant-operation.ts";
import { undoRest } from "../undo-rest.ts";

/** What a move or restore left behind can be looked at for so long. */
const graceSeconds = 3600;

/**
 * Lets go of tenants whose operation has ended without doing so itself, and drops locations that nobody needs: those
 * that an operation prepared in vain, and those that it retired more than an hour ago.
 */
export async function sweepOperations(context: RegionContext): Promise<void> {
  const { operations, locations, tenantData } = context;
  await settleEach(
    [
      async () => settleEach(await operations.list(), (operation) => endOperation(context, operation)),
      async () => settleEach(await locations.leftOver(graceSeconds), (location) => tenantData.drop(location)),
    ],
    (work) => work(),
  );
}

/** What a restore could not take back is taken back now: until then the tenant is held. */
async function endOperation(context: RegionContext, { slug, id }: TenantOperation): Promise<void> {
  const execution = await context.platform.workflows.describe(id);
  if (!execution || !hasEnded(execution.state)) return;
  const restore = restoreWorkflow(context);
  if (execution.workflow === restore.name) await undoRest(restore, execution);
  await context.operations.release(slug, id);
}
