import { chooseBackup } from "../../core/backup/choose.ts";
import { archiveKey } from "../../core/backup/key.ts";
import type { DirectoryEntry } from "../../core/tenant/tenant.ts";
import { restoreFiles } from "../archive/archive.ts";
import { ownBackups } from "../backup/catalogue.ts";
import { chooseServer, fillLocation } from "../backup/placing.ts";
import { withArchive } from "../backup/sealed-archive.ts";
import { catalogueOf } from "../backup/source.ts";
import { planOf, type RegionContext } from "../region-context.ts";

/**
 * Makes a tenant's data in this region out of the newest copy of its backups that lies here, and writes down who it is.
 * Its files are those that were copied as they came; only without any they are the backup's. A crash in the middle
 * leaves a location that is not ready: the next try begins anew. Returns the moment that the rows are of.
 * @throws E_BACKUP_NOT_FOUND and all that a restore can
 */
export async function restoreFromBackup(context: RegionContext, entry: DirectoryEntry): Promise<Date> {
  const { slug } = entry;
  const { locations, tenantData, platform, config, pool } = context;
  const backups = ownBackups(await catalogueOf(context).list(slug), entry.createdAt);
  const backup = chooseBackup(backups, { slug });
  const found = await locations.find(slug);
  if (found?.ready) return backup.takenAt;
  if (found) await tenantData.drop(found);
  const release = context.release();
  const server = await chooseServer(context, entry.isolation);
  const { isolation } = entry;
  const location = await locations.insert({
    slug,
    isolation,
    server,
    migrations: release.migrationsFingerprint,
  });
  await tenantData.create(location, planOf(config, entry.plan).connections ?? "own");
  await withArchive(platform, { key: archiveKey(backup), sealedFor: slug }, async (archive) => {
    await fillLocation(context, archive, location);
    const { objects } = platform;
    const { objects: copied } = await objects.list({ prefix: `tenants/${slug}/`, limit: 1 });
    if (copied.length === 0) await restoreFiles(archive, { objects, slug });
    const { name, administratorEmail, settings } = archive.manifest.tenant;
    await pool.query(
      `WITH profile AS (INSERT INTO profiles (slug, name, administrator_email, settings) VALUES ($1, $2, $3, $4)
         ON CONFLICT DO NOTHING)
       INSERT INTO administrators (slug, email) VALUES ($1, $3) ON CONFLICT DO NOTHING`,
      [slug, name, administratorEmail, JSON.stringify(settings)],
    );
  });
  await tenantData.migrate(location, release.migrations);
  return backup.takenAt;
}
