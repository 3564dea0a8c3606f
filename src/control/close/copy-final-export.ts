import { archiveInObject, rewrapArchive } from "../archive/archive.ts";
import type { RegionContext } from "../region-context.ts";

/**
 * Puts a copy of a last export that the recovery region's key opens into its objects, under the same key; nothing where
 * there is no recovery region, or where the export itself was lost with its region. A repeat replaces the copy.
 */
export async function copyFinalExport(
  { platform }: Pick<RegionContext, "platform">,
  slug: string,
  key: string,
): Promise<void> {
  const { objects, keys, recovery } = platform;
  if (!recovery || !(await objects.head(key))) return;
  const sealed = await archiveInObject(objects, key);
  try {
    const body = await rewrapArchive(sealed, { keys, slug, to: recovery.keys });
    await recovery.objects.put({ key, body });
  } finally {
    await sealed.close();
  }
}
