import type { Backup } from "../../core/backup/backup.ts";
import { backupPrefix, recordKey, tenantBackupsPrefix } from "../../core/backup/key.ts";
import type { Objects } from "../../ports/objects.ts";
import type { RegionContext } from "../region-context.ts";
import { catalogueOf } from "./source.ts";

type Named = Pick<Backup, "id" | "slug">;

/**
 * Deletes a backup: both copies, in all versions. From the first moment it counts no more; a repeat does the rest.
 * `isMine`: the caller is its writer, and writes no more.
 */
export async function discardBackup(
  context: RegionContext,
  backup: Named,
  { isMine = false }: { readonly isMine?: boolean } = {},
): Promise<void> {
  const catalogue = catalogueOf(context);
  await catalogue.beginDelete(backup.id, isMine);
  for (const objects of bothPlaces(context)) {
    // First: without the record, what is left after a crash is no backup to anybody.
    await objects.delete(recordKey(backup));
    await objects.purge(backupPrefix(backup.slug, backup.id));
  }
  await catalogue.remove(backup.id);
}

/** Deletes all backups that this region has of a slug, both copies, whoever had it. Safe to repeat. */
export async function forgetBackups(context: RegionContext, slug: string): Promise<void> {
  const catalogue = catalogueOf(context);
  for (const id of await catalogue.everyId(slug)) await discardBackup(context, { id, slug });
  for (const objects of bothPlaces(context)) await objects.purge(tenantBackupsPrefix(slug));
  await catalogue.forgetFailure(slug);
}

function bothPlaces({ platform }: RegionContext): Objects[] {
  return platform.recovery ? [platform.objects, platform.recovery.objects] : [platform.objects];
}
