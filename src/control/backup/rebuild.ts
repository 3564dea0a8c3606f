import { text } from "node:stream/consumers";
import type { Backup } from "../../core/backup/backup.ts";
import { backupsPrefix, isRecordKey, parseRecord } from "../../core/backup/key.ts";
import type { Objects } from "../../ports/objects.ts";
import type { RegionContext } from "../region-context.ts";
import { catalogueOf } from "./source.ts";

/** What nobody knows of is left alone for so long: another region may just be writing it. */
const untouchedMilliseconds = 86_400_000;

/** The whole backups that lie in the objects, from what lies beside the archives alone. */
async function readBackups(objects: Pick<Objects, "list" | "get">, from: string): Promise<Backup[]> {
  const backups: Backup[] = [];
  for await (const { key } of everyObject(objects, backupsPrefix)) {
    if (!isRecordKey(key)) continue;
    const found = await objects.get(key);
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
export async function adoptBackups(context: RegionContext, from: string): Promise<number> {
  return catalogueOf(context).adopt(await readBackups(context.platform.objects, from));
}

/** Deletes archives that are no backup (no record lies beside them), and staged imports, that nobody works on. */
export async function sweepObjects({
  pool,
  platform,
}: Pick<RegionContext, "pool" | "platform">): Promise<void> {
  const { objects, clock } = platform;
  const catalogue = catalogueOf({ pool, platform });
  const isOld = (at: Date) => clock.now().getTime() - at.getTime() > untouchedMilliseconds;
  for await (const { key, lastModified } of everyObject(objects, backupsPrefix)) {
    const [, slug = "", id = ""] = key.split("/");
    if (!isOld(lastModified) || (await catalogue.knows(id))) continue;
    if (!(await objects.head(`${backupsPrefix}${slug}/${id}/backup.json`)))
      await objects.purge(`${backupsPrefix}${slug}/${id}/`);
  }
  for await (const { key, lastModified } of everyObject(objects, "imports/")) {
    if (isOld(lastModified)) await objects.purge(`imports/${key.split("/")[1]}/`);
  }
}

async function* everyObject(objects: Pick<Objects, "list">, prefix: string) {
  for (let after: string | undefined = ""; after !== undefined; ) {
    const page: Awaited<ReturnType<Objects["list"]>> = await objects.list({ prefix, after });
    yield* page.objects;
    after = page.next;
  }
}
