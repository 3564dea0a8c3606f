import type { ArchivedTenant } from "../../core/archive/manifest.ts";
import { fault } from "../../core/error.ts";
import { type TenantRow, toEntry } from "../../core/tenant/directory-row.ts";
import type { DirectoryEntry } from "../../core/tenant/tenant.ts";
import type { Queryable } from "../../postgres/pool.ts";
import type { DataAddress } from "../archive/archive.ts";
import type { RegionContext } from "../region-context.ts";
import { isGone } from "../tenant-data/gone.ts";
import type { StoredLocation } from "../tenant-data/locations.ts";
import { ledgerTable } from "../tenant-data/migrator.ts";
import { Catalogue } from "./catalogue.ts";

/** The region's table of backups. */
export function catalogueOf({ pool, platform }: Pick<RegionContext, "pool" | "platform">): Catalogue {
  return new Catalogue({ pool, clock: platform.clock, random: platform.random });
}

/**
 * The tenant as the region itself knows it: backups are taken while the directory is away, too.
 * @throws E_TENANT_NOT_FOUND
 */
export async function findTenant(
  { pool, name }: Pick<RegionContext, "pool" | "name">,
  slug: string,
): Promise<DirectoryEntry> {
  const { rows } = await pool.query<TenantRow>("SELECT * FROM tenants WHERE slug = $1 AND region = $2", [
    slug,
    name,
  ]);
  if (!rows[0]) throw fault("E_TENANT_NOT_FOUND", `There is no tenant "${slug}" in ${name}.`);
  return toEntry(rows[0]);
}

/** Where a location's rows are, for their server's administrator. @throws E_NOT_FOUND */
export async function addressOf(
  { platform }: Pick<RegionContext, "platform">,
  location: StoredLocation,
): Promise<DataAddress> {
  const { databases } = platform;
  const [endpoint, credentials] = await Promise.all([
    databases.endpoint(location.server),
    databases.administrator(location.server),
  ]);
  return { endpoint, credentials, database: location.database, schema: location.schema };
}

/** False when the location's tables, or its database, or its server are not there. @throws E_DATABASE_UNAVAILABLE */
export async function hasTables(
  { administration }: Pick<RegionContext, "administration">,
  { server, database, schema }: StoredLocation,
): Promise<boolean> {
  try {
    const pool = await administration.pool(server, database);
    const { rowCount } = await pool.query("SELECT FROM pg_tables WHERE schemaname = $1 AND tablename = $2", [
      schema,
      ledgerTable,
    ]);
    return rowCount === 1;
  } catch (error) {
    if (isGone(error)) return false;
    throw error;
  }
}

/**
 * The same of where a tenant's rows are now, if there is anything: a schema that was dropped behind the platform's back
 * would make an archive without rows. @throws E_TENANT_STATE, E_DATABASE_UNAVAILABLE
 */
export async function presentAddress(
  context: Pick<RegionContext, "platform" | "administration" | "locations">,
  { slug, state }: Pick<DirectoryEntry, "slug" | "state">,
): Promise<DataAddress> {
  const location = await context.locations.find(slug);
  if (!location) throw fault("E_TENANT_STATE", `The tenant "${slug}" is ${state}, and has no data.`);
  if (!(await hasTables(context, location)))
    throw fault("E_TENANT_STATE", `The tables of the tenant "${slug}" are not where they should be.`, {
      remedy: "Bring them back with `rowhouse tenant restore <slug>`.",
    });
  return addressOf(context, location);
}

/** Who the tenant is, as an archive says it. @throws E_TENANT_NOT_FOUND */
export async function archivedTenant(
  context: Pick<RegionContext, "pool" | "name">,
  entry: Pick<DirectoryEntry, "slug" | "plan" | "isolation">,
): Promise<ArchivedTenant> {
  const { slug, plan, isolation } = entry;
  const profile = await readProfile(context.pool, slug);
  if (!profile) throw fault("E_TENANT_NOT_FOUND", `There is no tenant "${slug}" in ${context.name}.`);
  const { name, administratorEmail, settings } = profile;
  return { slug, name, administratorEmail, settings, plan, region: context.name, isolation };
}

interface Profile {
  readonly name: string;
  readonly administratorEmail: string;
  readonly settings: Readonly<Record<string, unknown>>;
}

async function readProfile(pool: Queryable, slug: string): Promise<Profile | undefined> {
  const { rows } = await pool.query<Profile>(
    `SELECT name, administrator_email AS "administratorEmail", settings FROM profiles WHERE slug = $1`,
    [slug],
  );
  return rows[0];
}
