import type { Migration } from "../../core/migration/plan.ts";
import { place } from "../../core/placement/place.ts";
import type { Isolation } from "../../core/tenant/tenant.ts";
import { type Archive, archivedMigrations, type LoadedArchive, loadArchive } from "../archive/archive.ts";
import { firstSharedServer, type RegionContext } from "../region-context.ts";
import type { LocationWish, StoredLocation } from "../tenant-data/locations.ts";
import { placementServers } from "../tenant-data/servers.ts";
import { addressOf } from "./source.ts";

/** Where new data of this isolation goes. @throws E_QUOTA, E_DATABASE_UNAVAILABLE */
export async function chooseServer(context: RegionContext, isolation: Isolation): Promise<string | null> {
  const placement = place(isolation, await placementServers(context));
  return placement.kind === "shared" ? placement.server : null;
}

/** The location that a trial restore fills: like the tenant's own, but never with a server for itself. */
export function scratchWish(context: RegionContext, isolation: Isolation): Omit<LocationWish, "slug"> {
  return {
    isolation: isolation === "schema" ? "schema" : "database",
    server: firstSharedServer,
    migrations: context.release().migrationsFingerprint,
  };
}

/**
 * Brings an archive's rows into a location that was made for them: the tables as they were when it was written. Safe to
 * repeat until newer migrations were applied. Of an archive from outside the foreign keys are checked, too: whoever
 * made it may have changed its rows.
 * @throws E_ARCHIVE_SCHEMA, E_ARCHIVE_DAMAGED, E_ARCHIVE_MISMATCH, E_MIGRATION_FAILED, E_DATABASE_UNAVAILABLE
 */
export async function fillLocation(
  context: RegionContext,
  archive: Archive,
  location: StoredLocation,
  options: { readonly isFromOutside?: boolean } = {},
): Promise<LoadedArchive> {
  const migrations: readonly Migration[] = archivedMigrations(archive.manifest, context.release().migrations);
  await context.tenantData.applyMigrations(location, migrations);
  const checkConstraints = options.isFromOutside === true;
  return loadArchive(archive, await addressOf(context, location), { checkConstraints });
}
