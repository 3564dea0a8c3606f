import { fault } from "../error.ts";
import type { Migration } from "../migration/plan.ts";
import type { ArchiveManifest } from "./manifest.ts";

/**
 * The release's migrations that made the archive's schema: a new location gets these, then the rows, then the rest.
 * @throws E_ARCHIVE_SCHEMA when the archive is newer than the release, or other migrations made it
 */
export function archivedMigrations(
  { schema }: Pick<ArchiveManifest, "schema">,
  release: readonly Migration[],
): readonly Migration[] {
  const latest = release.at(-1)?.number ?? 0;
  if (schema.version > latest) {
    throw fault(
      "E_ARCHIVE_SCHEMA",
      `The archive has the schema version ${schema.version}, and the release's newest is ${latest}.`,
      { remedy: "Install the release that the tenant had, or a later one, and try again." },
    );
  }
  const wanted = release.filter(({ number }) => number <= schema.version);
  for (const [index, migration] of wanted.entries()) {
    if (schema.migrations[index]?.sha256 === migration.sha256) continue;
    throw fault(
      "E_ARCHIVE_SCHEMA",
      `The archive's tables were made by another "${migration.file}" than the release's.`,
    );
  }
  return wanted;
}
