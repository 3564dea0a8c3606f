import type { RecoverySite, RegionPlatform } from "../../ports/platform.ts";
import { rewrapArchive } from "./encryption.ts";
import { archiveInObject } from "./source.ts";

/**
 * Puts a copy of an encrypted archive that the recovery region's key opens into its objects, under the same key. A repeat
 * replaces the copy. @throws E_NOT_FOUND when there is no such archive
 */
export async function copySealed(
  { objects, keys }: Pick<RegionPlatform, "objects" | "keys">,
  recovery: Pick<RecoverySite, "objects" | "keys">,
  { key, slug }: { readonly key: string; readonly slug: string },
): Promise<void> {
  const sealed = await archiveInObject(objects, key);
  try {
    const body = await rewrapArchive(sealed, { keys, slug, to: recovery.keys });
    await recovery.objects.put({ key, body });
  } finally {
    await sealed.close();
  }
}
