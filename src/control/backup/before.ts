import { json } from "node:stream/consumers";
import type { Backup } from "../../core/backup/backup.ts";
import { backupPrefix } from "../../core/backup/key.ts";
import { fault } from "../../core/error.ts";
import type { RegionContext } from "../region-context.ts";
import type { UnfinishedBackup } from "./catalogue.ts";
import { type FileVersions, filesAsOf } from "./file-versions.ts";
import { discardBackup } from "./remove.ts";
import { addressOf, archivedTenant, findTenant, hasTables } from "./source.ts";
import type { EqualFiles } from "./switch-files.ts";
import { storeBackup } from "./take.ts";

/** What a restore replaces that is not in the tenant's location. */
export interface StateBefore {
  /** Until then the tenant had it; ISO 8601. */
  readonly until: string;
  readonly settings: Readonly<Record<string, unknown>>;
  readonly files: FileVersions;
}

type Named = Pick<Backup, "id" | "slug">;
type Objects = Pick<RegionContext, "platform">;

/** What a restore keeps beside the backup that the state before becomes: it may be long, and survives a crash. */
interface Notes {
  readonly "state-before": StateBefore;
  readonly "equal-files": EqualFiles;
}

function noteKey({ slug, id }: Named, name: keyof Notes): string {
  return `${backupPrefix(slug, id)}${name}.json`;
}

export async function writeNote<Name extends keyof Notes>(
  { platform }: Objects,
  backup: Named,
  name: Name,
  note: Notes[Name],
): Promise<void> {
  await platform.objects.put({ key: noteKey(backup, name), body: Buffer.from(JSON.stringify(note)) });
}

/** @throws E_NOT_FOUND before it was written */
export async function readNote<Name extends keyof Notes>(
  { platform }: Objects,
  backup: Named,
  name: Name,
): Promise<Notes[Name]> {
  const found = await platform.objects.get(noteKey(backup, name));
  if (!found) throw fault("E_NOT_FOUND", `The restore of ${backup.slug} has left no ${name}.`);
  return (await json(found.body)) as Notes[Name];
}

/** Once the archive has all of it. */
async function removeNotes({ platform: { objects } }: Objects, backup: Named): Promise<void> {
  for (const key of [noteKey(backup, "state-before"), noteKey(backup, "equal-files")])
    for (const { versionId } of await objects.versions(key)) await objects.delete(key, { versionId });
}

/**
 * Makes a backup of what a restore has replaced: the rows of the location that it retired, to which nobody writes any
 * more, and the files and settings as they were; nothing when those rows were gone already. A repeat finds it done.
 */
export async function keepStateBefore(context: RegionContext, backup: UnfinishedBackup): Promise<void> {
  const { slug, location: locationId } = backup;
  const location = (await context.locations.findEvery(slug)).find(({ id }) => id === locationId);
  // Dropped with the tenant itself, or what the restore was for: without its rows it is no state to go back to.
  if (!location || !(await hasTables(context, location))) return discardBackup(context, backup);
  const { objects } = context.platform;
  const { settings, files, until } = await readNote(context, backup, "state-before");
  const tenant = await archivedTenant(context, await findTenant(context, slug));
  const contents = {
    source: await addressOf(context, location),
    tenant: { ...tenant, settings },
    objects: filesAsOf(objects, files),
  };
  // When the archive is written says nothing: nobody has changed its rows since.
  await storeBackup(context, backup, contents, new Date(until));
  await removeNotes(context, backup);
}
