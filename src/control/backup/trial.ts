import type { Backup } from "../../core/backup/backup.ts";
import { archiveKey } from "../../core/backup/key.ts";
import { type ErrorJson, fault, fromErrorJson, toRowhouseError } from "../../core/error.ts";
import { hasEnded } from "../../core/workflow/state.ts";
import type { WorkflowDefinition } from "../../ports/workflows.ts";
import type { RegionContext } from "../region-context.ts";
import { fillLocation, scratchWish } from "./placing.ts";
import { withArchive } from "./sealed-archive.ts";
import { catalogueOf, findTenant } from "./source.ts";

const trialWorkflowName = "trial-restore";

export interface TrialInput {
  readonly id: string;
  readonly backup: Pick<Backup, "id" | "slug">;
}

/** Who holds the scratch location: no slug has a dot. */
function scratchSlug({ backup }: TrialInput): string {
  return `trial.${backup.id}`;
}

/**
 * A trial restore: reads all of a backup, and loads it into a scratch location, where row counts and checksums are
 * compared; then the location is dropped. What it found is in the catalogue.
 */
export function trialWorkflow(context: RegionContext): WorkflowDefinition<TrialInput> {
  const { locations, operations, tenantData, platform } = context;
  const dropScratch = async (input: TrialInput): Promise<void> => {
    const scratch = await locations.findArriving(scratchSlug(input));
    if (scratch) await tenantData.drop(scratch);
    await operations.release(scratchSlug(input), input.id);
  };
  return {
    name: trialWorkflowName,
    steps: [
      {
        name: "prepare",
        title: "Making a place to try it",
        run: async (input) => {
          const slug = scratchSlug(input);
          await operations.claim(slug, "restore", input.id);
          const { isolation } = await findTenant(context, input.backup.slug);
          const wish = { slug, ...scratchWish(context, isolation) };
          await tenantData.create(await locations.prepare(wish, input.id), "own");
        },
        undo: dropScratch,
      },
      {
        name: "try",
        title: "Restoring it there",
        run: async (input) => {
          const scratch = await locations.findArriving(scratchSlug(input));
          if (!scratch) throw fault("E_INTERNAL", "The place of a trial restore is gone.");
          const source = { key: archiveKey(input.backup), sealedFor: input.backup.slug };
          const failure = await withArchive(platform, source, async (archive) => {
            await archive.verify();
            await fillLocation(context, archive, scratch);
            return null;
          }).catch(toFinding);
          await catalogueOf(context).noteTrial(input.backup.id, failure);
          return failure;
        },
      },
      { name: "drop", title: "Removing it again", run: dropScratch },
    ],
  };
}

/** What says something of the backup; anything else is tried again. */
function toFinding(thrown: unknown): ErrorJson {
  const error = toRowhouseError(thrown);
  if (error.status === 503 || error.code === "E_DISK_FULL") throw error;
  return error.toJSON();
}

/** Tries one backup to the end, or joins the trial that is under way. @throws why there could be no trial */
export async function tryBackup(context: RegionContext, backup: Pick<Backup, "id" | "slug">): Promise<void> {
  const { workflows } = context.platform;
  const id = `${context.name}.trial.${backup.id}`;
  const input: TrialInput = { id, backup: { id: backup.id, slug: backup.slug } };
  await workflows.start(trialWorkflowName, id, input);
  for (let seen = 0; ; ) {
    const execution = await workflows.waitForChange(id, seen, 20);
    if (!execution) return;
    seen = execution.history.length;
    if (!hasEnded(execution.state)) continue;
    await workflows.forget(id);
    if (execution.error) throw fromErrorJson(execution.error);
    return;
  }
}
