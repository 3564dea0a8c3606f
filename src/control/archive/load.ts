import type { ArchiveManifest } from "../../core/archive/manifest.ts";
import { fault } from "../../core/error.ts";
import type { Migration } from "../../core/migration/plan.ts";
import type { Archive } from "./open.ts";
import type { DataAddress } from "./write.ts";

export interface LoadOptions {
  /** Compare each foreign key's rows too: for an archive that comes from outside. */
  readonly checkForeignKeys?: boolean;
  readonly onProgress?: (progress: { readonly table: string; readonly rows: number }) => void;
}

/** What was loaded, and compared with the manifest. */
export interface LoadedArchive {
  readonly tables: number;
  readonly rows: number;
}

/**
 * The release's migrations that the archive's schema was made by: apply these to a new location, load, then the rest.
 * @throws E_ARCHIVE_SCHEMA when the archive is newer than the release, or was made by other migrations
 */
export function archivedMigrations(
  _manifest: ArchiveManifest,
  _release: readonly Migration[],
): readonly Migration[] {
  throw fault("E_INTERNAL", "Not yet.");
}

/**
 * Puts the rows into a location that the archive's migrations were applied to, in one transaction: it is all there, or
 * nothing is. What the migrations inserted goes; repeating it gives the same.
 * @throws E_ARCHIVE_SCHEMA when the schema is not the archive's, E_ARCHIVE_DAMAGED, E_ARCHIVE_MISMATCH when what was
 * loaded is not what the manifest says, E_DATABASE_UNAVAILABLE
 */
export async function loadArchive(
  _archive: Archive,
  _target: DataAddress,
  _options: LoadOptions = {},
): Promise<LoadedArchive> {
  throw fault("E_INTERNAL", "Not yet.");
}
