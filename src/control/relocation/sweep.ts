import { hasEnded } from "../../core/workflow/state.ts";
import type { RegionContext } from "../region-context.ts";

/** What a move or restore left behind can be looked at for so long. */
const graceSeconds = 3600;

/**
 * Lets go of tenants whose operation has ended without doing so itself, and drops locations that nobody needs: those
 * that an operation prepared in vain, and those that it retired more than an hour ago.
 */
export async function sweepOperations(context: RegionContext): Promise<void> {
  const { operations, locations, tenantData, platform } = context;
  for (const { slug, id } of await operations.list()) {
    const execution = await platform.workflows.describe(id);
    if (execution && hasEnded(execution.state)) await operations.release(slug, id);
  }
  for (const location of await locations.leftOver(graceSeconds)) await tenantData.drop(location);
}
