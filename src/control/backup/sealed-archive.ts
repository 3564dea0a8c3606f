import type { Keys } from "../../ports/keys.ts";
import type { Objects } from "../../ports/objects.ts";
import { type Archive, archiveInObject, decryptArchive, openArchive } from "../archive/archive.ts";

/** An encrypted archive in a region's objects, and for which tenant it is sealed. */
export interface ArchiveSource {
  readonly key: string;
  readonly sealedFor: string;
}

/**
 * Opens an encrypted archive for the length of `work`.
 * @throws E_NOT_FOUND, E_ARCHIVE_FORMAT, E_ARCHIVE_VERSION, E_ARCHIVE_KEY, E_ARCHIVE_DAMAGED
 */
export async function withArchive<T>(
  { objects, keys }: { readonly objects: Objects; readonly keys: Keys },
  source: ArchiveSource,
  work: (archive: Archive) => Promise<T>,
): Promise<T> {
  const sealed = await archiveInObject(objects, source.key);
  const archive = await decryptArchive(sealed, { keys, slug: source.sealedFor })
    .then(openArchive)
    .catch(async (error: unknown) => {
      await sealed.close();
      throw error;
    });
  try {
    return await work(archive);
  } finally {
    await archive.close();
  }
}
