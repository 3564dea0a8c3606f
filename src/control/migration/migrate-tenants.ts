import { type ErrorJson, fault, RowhouseError, toRowhouseError } from "../../core/error.ts";
import { traceStep } from "../../postgres/migration-trace.ts";
import { copyEntries } from "../directory.ts";
import type { RegionContext } from "../region-context.ts";
import type { StoredLocation } from "../tenant-data/locations.ts";

/** What became of one tenant. `later`: it was in use, and nothing is wrong with it. */
export type TenantMigration =
  | { readonly slug: string; readonly outcome: "applied" | "skipped" }
  | { readonly slug: string; readonly outcome: "later"; readonly error: ErrorJson }
  | { readonly slug: string; readonly outcome: "failed"; readonly error: ErrorJson };

/**
 * Brings tenants of this region to the newest schema of its current release, so many at a time. One that fails keeps
 * nobody else back. The directory learns all of the new versions at once, after the tenants' own ledgers have them: a
 * crash between leaves tenants that are asked once more, and have nothing to apply.
 */
export async function migrateTenants(
  context: RegionContext,
  wish: { readonly slugs: readonly string[]; readonly concurrency: number },
): Promise<TenantMigration[]> {
  const { migrations } = context.release();
  const target = migrations.at(-1)?.number ?? 0;
  const found = await traceStep("find-locations", () => context.locations.findAll(wish.slugs));
  const locations = found.values();
  const results: TenantMigration[] = [];
  const migrated: string[] = [];
  const work = async (): Promise<void> => {
    for (const location of locations) {
      const isFree = await isHereAndFree(context, location);
      const result = isFree ? await migrateOne(context, location) : busy(location.slug ?? "");
      results.push(result);
      if (result.outcome === "applied" || result.outcome === "skipped") migrated.push(location.id);
    }
  };
  await traceStep("migrate-tenants", () => Promise.all(Array.from({ length: wish.concurrency }, work)));
  if (migrated.length > 0) await recordVersions(context, migrated, target);
  return results;
}

/** Of a tenant that was restored or has moved since it was migrated, what its new place has is not known here. */
async function recordVersions(
  { locations, directory, pool }: RegionContext,
  ids: readonly string[],
  target: number,
): Promise<void> {
  const slugs = await traceStep("record-in-region", () => locations.setSchemaVersions(ids, target));
  const entries = await traceStep("record-in-directory", () => directory.setSchemaVersions(slugs, target));
  await traceStep("copy-to-region", () => copyEntries(pool, entries));
}

/**
 * Asked just before each tenant, for a wave may last minutes: of one that moves, the rows are on their way to a place
 * whose tables were made already, and one that has moved is another place's to migrate.
 */
async function isHereAndFree({ pool }: RegionContext, { id }: StoredLocation): Promise<boolean> {
  const { rowCount } = await pool.query(
    `SELECT FROM data_locations AS l WHERE id = $1 AND phase = 'current'
       AND NOT EXISTS (SELECT FROM tenant_operations AS o WHERE o.slug = l.slug)`,
    [id],
  );
  return rowCount === 1;
}

async function migrateOne(context: RegionContext, location: StoredLocation): Promise<TenantMigration> {
  const slug = location.slug ?? "";
  try {
    const applied = await context.tenantData.applyMigrations(location, context.release().migrations);
    return { slug, outcome: applied > 0 ? "applied" : "skipped" };
  } catch (thrown) {
    const isBusy = thrown instanceof RowhouseError && thrown.code === "E_MIGRATION_BUSY";
    return { slug, outcome: isBusy ? "later" : "failed", error: toRowhouseError(thrown).toJSON() };
  }
}

function busy(slug: string): TenantMigration {
  return { slug, outcome: "later", error: fault("E_TENANT_BUSY").toJSON() };
}
