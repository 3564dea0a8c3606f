import { fault } from "../../core/error.ts";
import {
  type CanaryKind,
  canaryTable,
  type PlantedByTenant,
  plantedByTenant,
} from "../../core/residency/kinds.ts";
import { quoteIdentifier } from "../../postgres/identifier.ts";
import { askInstance, type InstanceAccess } from "../ask-instance.ts";
import type { RegionContext } from "../region-context.ts";
import { type SearchOrder, type SearchReport, searchRegion } from "./search.ts";

export type Canaries = Readonly<Partial<Record<CanaryKind, string>>>;

/** What a region's controller does for a residency check. */
export interface ResidencyControl {
  /** No mail goes to these addresses, which nobody has, until {@link ResidencyControl.removeCanaries}. */
  prepareResidencyCheck(command: { readonly addresses: readonly string[] }): Promise<void>;
  /** Writes canaries into a tenant's data. @throws E_TENANT_NOT_FOUND, E_RESIDENCY_CHECK */
  plantCanaries(command: { readonly slug: string; readonly canaries: Canaries }): Promise<void>;
  /** Looks everywhere in the region. */
  searchCanaries(order: SearchOrder): Promise<SearchReport>;
  /** Takes back what was planted and prepared; what is not there is no error. */
  removeCanaries(command: {
    readonly slug: string;
    readonly canaries: Canaries;
    readonly addresses: readonly string[];
  }): Promise<void>;
}

/** The residency check's part in a region. */
export function residencyControl(context: RegionContext, access: InstanceAccess): ResidencyControl {
  const { platform, pool } = context;
  return {
    async prepareResidencyCheck({ addresses }) {
      for (const address of addresses) await platform.mail.suppress(address, "residency check");
    },
    async plantCanaries({ slug, canaries }) {
      if (canaries.settings)
        await pool.query(
          "UPDATE profiles SET settings = settings || jsonb_build_object('residency', $2::text) WHERE slug = $1",
          [slug, canaries.settings],
        );
      if (canaries.row)
        await asOwner(context, slug, `CREATE TABLE IF NOT EXISTS ${canaryTable} (canary text NOT NULL)`);
      const own = Object.fromEntries(
        plantedByTenant.flatMap((kind: PlantedByTenant) => (canaries[kind] ? [[kind, canaries[kind]]] : [])),
      );
      await askInstance(access, "canaries", { slug, canaries: own }, "E_RESIDENCY_CHECK");
    },
    searchCanaries: (order) => searchRegion(context, order),
    async removeCanaries({ slug, canaries, addresses }) {
      for (const address of addresses) await platform.mail.unsuppress(address);
      const isHere = (await context.locations.find(slug)) !== undefined;
      if (!isHere) return;
      if (canaries.row) await asOwner(context, slug, `DROP TABLE IF EXISTS ${canaryTable}`);
      if (canaries.cache) await platform.cache.delete({ tenant: slug, key: "residency" });
      await platform.objects.purge(`tenants/${slug}/residency/`);
    },
  };
}

/** Runs a statement in the tenant's schema as its owner, who alone makes tables there. */
async function asOwner(
  { locations, administration }: RegionContext,
  slug: string,
  sql: string,
): Promise<void> {
  const location = await locations.find(slug);
  if (!location) throw fault("E_TENANT_NOT_FOUND", `There is no tenant "${slug}" here.`);
  const server = await administration.pool(location.server, location.database);
  await server.transaction(async (client) => {
    await client.query(`SET LOCAL ROLE ${quoteIdentifier(location.ownerRole)}`);
    await client.query(`SET LOCAL search_path = ${quoteIdentifier(location.schema)}`);
    await client.query(sql);
  });
}
