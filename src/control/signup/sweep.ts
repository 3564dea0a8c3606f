import { foundWorkflow } from "../backup/found-workflow.ts";
import type { RegionContext } from "../region-context.ts";
import { settleEach } from "../settle-each.ts";
import { undoRest } from "../undo-rest.ts";
import { signupWorkflow } from "./workflow.ts";

/**
 * Takes back what failed sign-ups of this region could not, and then frees their slugs: until then they are held, so
 * that nobody's sign-up finds what is left of another's.
 */
export async function sweepSignups(context: RegionContext): Promise<void> {
  const held = await context.directory.listUnopened(context.name);
  await settleEach(held, ({ signupId }) => endSignup(context, signupId));
}

async function endSignup(context: RegionContext, id: string): Promise<void> {
  const execution = await context.platform.workflows.describe(id);
  if (execution?.state !== "failed") return;
  const [signup, found] = [signupWorkflow(context), foundWorkflow(context)];
  if (execution.workflow === signup.name) await undoRest(signup, execution);
  if (execution.workflow === found.name) await undoRest(found, execution);
}
