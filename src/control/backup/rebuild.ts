import { text } from "node:stream/consumers";
import type { Backup } from "../../core/backup/backup.ts";
import {
  backupPrefix,
  backupsPrefix,
  importPrefix,
  importsPrefix,
  isRecordKey,
  parseRecord,
  recordKey,
} from "../../core/backup/key.ts";
import type { Objects } from "../../ports/objects.ts";
import { everyObject } from "../every-object.ts";
import type { RegionContext } from "../region-context.ts";
import { catalogueOf } from "./source.ts";

/** What nobody knows of is left alone for so long: another region may just be writing it. */
const untouchedMilliseconds = 86_400_000;

/** The whole backups that lie in the objects and are not `known` by id, from what lies beside the archives alone. */
async function readBackups(
  objects: Pick<Objects, "list" | "get">,
  from: string,
  known: ReadonlySet<string>,
): Promise<Backup[]> {
  const backups: Backup[] = [];
  for await (const { key } of everyObject(objects, backupsPrefix)) {
    const found = isRecordKey(key) && !known.has(idOf(key)) ? await objects.get(key) : undefined;
    if (!found) continue;
    const backup = parseRecord(await text(found.body));
    if (backup.region === from) backups.push(backup);
  }
  return backups;
}

/**
 * Takes the backups that lie in this region's objects and were taken in the region `from` into its catalogue: its own
 * after the catalogue was lost, another region's when this one stands in for it. Returns how many were new.
 */
export async function adoptBackups(
  context: Pick<RegionContext, "pool" | "platform">,
  from: string,
): Promise<number> {
  const catalogue = catalogueOf(context);
  return catalogue.adopt(await readBackups(context.platform.objects, from, await catalogue.everyId()));
}

/** Deletes archives that are no backup (no record lies beside them), and staged imports, that nobody works on. */
export async function sweepObjects({
  pool,
  platform,
}: Pick<RegionContext, "pool" | "platform">): Promise<void> {
  const { objects, clock } = platform;
  const known = await catalogueOf({ pool, platform }).everyId();
  const isOld = (at: Date) => clock.now().getTime() - at.getTime() > untouchedMilliseconds;
  for await (const { key, lastModified } of everyObject(objects, backupsPrefix)) {
    const [slug, id] = [key.split("/")[1] ?? "", idOf(key)];
    if (!isOld(lastModified) || known.has(id) || (await objects.head(recordKey({ slug, id })))) continue;
    await objects.purge(backupPrefix(slug, id));
  }
  for await (const { key, lastModified } of everyObject(objects, importsPrefix))
    if (isOld(lastModified)) await objects.purge(importPrefix(key.split("/")[1] ?? ""));
}

/** The id of the backup that an object under the prefix of all backups belongs to. */
function idOf(key: string): string {
  return key.split("/")[2] ?? "";
}
