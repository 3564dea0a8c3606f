import type { Backup } from "../../core/backup/backup.ts";
import { archiveKey, backupPrefix, formatRecord, recordKey } from "../../core/backup/key.ts";
import { copySealed } from "../archive/copy-sealed.ts";
import type { RegionContext } from "../region-context.ts";
import { catalogueOf } from "./source.ts";

/**
 * Puts a copy that the recovery region's key opens into its objects, and writes that down. `undefined` where there is
 * no recovery region, or the backup was deleted meanwhile. A repeat replaces what a crash left.
 */
export async function copyToRecovery(context: RegionContext, backup: Backup): Promise<Backup | undefined> {
  const { recovery } = context.platform;
  if (!recovery) return undefined;
  await recovery.objects.purge(backupPrefix(backup.slug, backup.id));
  await copySealed(context.platform, recovery, { key: archiveKey(backup), slug: backup.slug });
  await recovery.objects.put({
    key: recordKey(backup),
    body: Buffer.from(formatRecord(backup)),
    contentType: "application/json",
  });
  const catalogue = catalogueOf(context);
  if (await catalogue.noteCopy(backup.id)) return catalogue.find(backup.id);
  // It was deleted while it was copied, and whoever did so may have been here before the copy was.
  await recovery.objects.delete(recordKey(backup));
  await recovery.objects.purge(backupPrefix(backup.slug, backup.id));
  return undefined;
}
