import { fault } from "../../core/error.ts";
import type { Objects } from "../../ports/objects.ts";
import type { Archive } from "./open.ts";

export interface RestoredFiles {
  readonly files: number;
  readonly bytes: number;
}

/**
 * Writes the archive's files under the tenant's prefix, over what has the same key; others stay (`purge` first where
 * nothing may). Safe to repeat. @throws E_ARCHIVE_DAMAGED, E_DISK_FULL
 */
export async function restoreFiles(
  _archive: Archive,
  _target: { readonly objects: Pick<Objects, "put">; readonly slug: string },
): Promise<RestoredFiles> {
  throw fault("E_INTERNAL", "Not yet.");
}
