import { finalExportEnd, finalExportsPrefix } from "../../core/closing/final-export-key.ts";
import type { Objects } from "../../ports/objects.ts";
import { copySealed } from "../archive/copy-sealed.ts";
import { everyObject } from "../every-object.ts";
import type { RegionContext } from "../region-context.ts";
import { settleEach } from "../settle-each.ts";
import type { Closings } from "./closings.ts";

/**
 * Deletes the last exports whose time is over, here and in the recovery region, and copies there what it lacks. What
 * lies in the objects decides, not the table alone: a region that stands in for another, or was empty for a while, has
 * exports that its table does not know, and they end too.
 */
export async function sweepFinalExports(
  context: Pick<RegionContext, "platform">,
  closings: Closings,
): Promise<void> {
  const { objects, recovery, clock } = context.platform;
  const now = clock.now();
  await deleteExpired(objects, now);
  const copies = recovery && (await deleteExpired(recovery.objects, now));
  await closings.markExportsDeleted(now);
  if (!recovery || !copies) return;
  const missing = (await closings.keptExports()).filter(({ key }) => !copies.has(key));
  await settleEach(missing, async (one) => {
    // One that was lost with its region stays so.
    if (await objects.head(one.key)) await copySealed(context.platform, recovery, one);
  });
}

/** Returns the keys of those that stay. */
async function deleteExpired(objects: Objects, now: Date): Promise<ReadonlySet<string>> {
  const kept = new Set<string>();
  for await (const { key } of everyObject(objects, finalExportsPrefix)) {
    const end = finalExportEnd(key);
    if (end && end <= now) await objects.purge(key.slice(0, key.lastIndexOf("/") + 1));
    else kept.add(key);
  }
  return kept;
}
