import { randomBytes } from "node:crypto";
import { copyEntries } from "../control/directory.ts";
import { planOf } from "../control/region-context.ts";
import type { StoredLocation } from "../control/tenant-data/locations.ts";
import { filesPrefix } from "../core/tenant/file-key.ts";
import type { DirectoryEntry } from "../core/tenant/tenant.ts";
import { sharedServer } from "../embedded/data-platform.ts";
import type { TestInstance } from "./instance.ts";
import type { TestRegion } from "./region.ts";

export interface TenantWish {
  readonly name: string;
  readonly plan: string;
  readonly region: string;
  readonly settings: Readonly<Record<string, unknown>>;
  readonly seed: boolean;
}

/** A tenant that is active, and how it is removed. */
export interface MadeTenant {
  readonly slug: string;
  remove(): Promise<void>;
}

/** Of this process's directory: each change has a higher one. */
let revision = 0;

/** Takes the same steps as a sign-up does. @throws E_PLAN_UNKNOWN, E_MIGRATION_FAILED, whatever the seed throws */
export async function makeTenant(instance: TestInstance, wish: TenantWish): Promise<MadeTenant> {
  const { locations, tenantData, data } = instance.region;
  const { isolation: wanted, connections = "own" } = planOf(instance.config, wish.plan);
  // The process has one server: who would have one alone gets the next best.
  const isolation = wanted === "server" ? "database" : wanted;
  const slug = slugFor(wish.name);
  const location = await locations.insert({ slug, isolation, server: sharedServer, migrations: "" });
  const write = (state: DirectoryEntry["state"], schemaVersion: number) => {
    const { plan, region } = wish;
    const where = { slug, region, plan, isolation, server: sharedServer, schemaVersion };
    return copyEntries(data.pool, [{ ...where, state, createdAt: new Date(), revision: ++revision }]);
  };
  try {
    await tenantData.create(location, connections);
    const schemaVersion = await tenantData.migrate(location, instance.migrations);
    await data.pool.query(
      "INSERT INTO profiles (slug, name, administrator_email, settings) VALUES ($1, $2, $3, $4)",
      [slug, wish.name, `administrator@${slug}.example`, JSON.stringify(wish.settings)],
    );
    await write("provisioning", schemaVersion);
    if (wish.seed) await instance.running.seed(slug);
    await write("active", schemaVersion);
  } catch (error) {
    await removeTenant(instance.region, slug, location);
    throw error;
  }
  return { slug, remove: () => removeTenant(instance.region, slug, location) };
}

async function removeTenant(region: TestRegion, slug: string, location: StoredLocation): Promise<void> {
  const { data, tenantData } = region;
  // First of all the address, so that its instance lets go of its connections.
  await data.pool.query(
    "WITH profile AS (DELETE FROM profiles WHERE slug = $1) DELETE FROM tenants WHERE slug = $1",
    [slug],
  );
  const { cache, mail, objects } = data.platform;
  await Promise.all([cache.clear(slug), mail.forget(slug), objects.purge(filesPrefix(slug))]);
  await tenantData.drop(location);
}

/** The name as an address, with something that no other tenant's has. */
function slugFor(name: string): string {
  const words = name
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, "-")
    .replaceAll(/^[^a-z]+|-+$/g, "")
    .slice(0, 24);
  return `${words || "tenant"}-${randomBytes(4).toString("hex")}`.replaceAll("--", "-");
}
