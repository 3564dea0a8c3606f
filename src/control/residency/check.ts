import type { Config } from "../../core/config/schema.ts";
import { fault } from "../../core/error.ts";
import { canaryEntropyBytes, formatCanary } from "../../core/residency/canary.ts";
import { type CanaryKind, canaryKinds, harmlessKinds } from "../../core/residency/kinds.ts";
import type { Random } from "../../ports/clock.ts";
import type { Directory } from "../directory.ts";
import { followSignup } from "../follow-signup.ts";
import type { RegionControl } from "../region-control.ts";
import type { Canaries } from "./control.ts";
import { digestOf } from "./digest.ts";
import { judge, type ResidencyReport } from "./report.ts";
import type { SearchOrder, SearchReport } from "./search.ts";

export interface ResidencyCheckParts {
  readonly config: Config;
  readonly directory: Directory;
  /** Those that run. */
  readonly regions: ReadonlyMap<string, RegionControl>;
  readonly searchControlPlane: (order: SearchOrder) => Promise<SearchReport>;
  /** Absent where nobody can look into a region that does not run. */
  readonly searchStopped?: (region: string, order: SearchOrder) => Promise<SearchReport>;
  readonly random: Random;
}

/** A tenant with canaries in its data. */
export interface PlantedTenant {
  readonly slug: string;
  readonly region: string;
  readonly canaries: Canaries;
  /** It was made for the check, and goes with it. */
  readonly throwaway: boolean;
}

/**
 * Plants canaries in a tenant's data, of a throwaway tenant in each region that runs or of the named one, and looks for
 * them everywhere. Only the tenant's own region learns them; all others get their digests. What was planted and made is
 * removed again, whatever happens.
 * @throws E_TENANT_NOT_FOUND, E_TENANT_STATE, E_REGION_UNAVAILABLE, E_RESIDENCY_CHECK, and what a sign-up throws
 */
export async function checkResidency(
  parts: ResidencyCheckParts,
  options: { readonly tenant?: string } = {},
): Promise<ResidencyReport> {
  const tenants =
    options.tenant === undefined ? throwawayTenants(parts) : [await existingTenant(parts, options.tenant)];
  const touched: PlantedTenant[] = [];
  try {
    for (const tenant of tenants) {
      touched.push(tenant);
      await plant(parts, tenant);
    }
    return judge(parts.config, tenants, await searchEverywhere(parts, tenants));
  } finally {
    for (const tenant of touched) await remove(parts, tenant);
  }
}

function throwawayTenants({ regions, random }: ResidencyCheckParts): PlantedTenant[] {
  if (regions.size === 0) throw fault("E_REGION_UNAVAILABLE", "No region runs.");
  return [...regions.keys()].map((region) => ({
    slug: `residency-${Buffer.from(random.bytes(6)).toString("hex")}`,
    region,
    canaries: drawCanaries(random, canaryKinds),
    throwaway: true,
  }));
}

async function existingTenant(
  { directory, random }: ResidencyCheckParts,
  slug: string,
): Promise<PlantedTenant> {
  const entry = await directory.find(slug);
  if (!entry) throw fault("E_TENANT_NOT_FOUND", `There is no tenant "${slug}".`);
  if (entry.state !== "active")
    throw fault(
      "E_TENANT_STATE",
      `The tenant "${slug}" is ${entry.state}: a check writes into an active one.`,
    );
  return { slug, region: entry.region, canaries: drawCanaries(random, harmlessKinds), throwaway: false };
}

function drawCanaries(random: Random, kinds: readonly CanaryKind[]): Canaries {
  return Object.fromEntries(kinds.map((kind) => [kind, formatCanary(random.bytes(canaryEntropyBytes))]));
}

async function plant(parts: ResidencyCheckParts, tenant: PlantedTenant): Promise<void> {
  const region = regionOf(parts, tenant.region);
  const { slug, canaries } = tenant;
  await region.prepareResidencyCheck({ addresses: addressesOf(tenant) });
  if (tenant.throwaway) await signUp(parts, tenant);
  const { row, ...others } = canaries;
  await region.plantCanaries({ slug, canaries: others });
  // A backup is encrypted, and found by its key; it takes no schema that has a table more than its migrations made.
  if (tenant.throwaway) await region.backUp({ slug, verify: false });
  if (row) await region.plantCanaries({ slug, canaries: { row } });
}

/** As anyone signs up, so that the control plane has the name and address in its hands, too. */
async function signUp(parts: ResidencyCheckParts, tenant: PlantedTenant): Promise<void> {
  const { slug, region: name, canaries } = tenant;
  const region = regionOf(parts, name);
  const first = await region.startSignup({
    input: {
      slug,
      name: `Residency check ${canaries.name}`,
      email: addressOf(canaries.email ?? ""),
      region: name,
      plan: cheapestPlan(parts.config),
    },
  });
  let last = first;
  for await (const status of followSignup(region, first, new AbortController().signal, "end")) last = status;
  if (last.state !== "completed")
    throw fault("E_RESIDENCY_CHECK", `The sign-up of ${slug} failed: ${last.error?.message ?? last.state}`);
}

/** One without a server of its own, if there is: that takes minutes on AWS, and is searched the same way. */
function cheapestPlan({ plans }: Config): string {
  const cost = { schema: 0, database: 1, server: 2 };
  const [cheapest] = Object.entries(plans).toSorted(
    ([, one], [, other]) => cost[one.isolation] - cost[other.isolation],
  );
  return cheapest?.[0] ?? "";
}

async function searchEverywhere(
  { config, regions, searchControlPlane, searchStopped }: ResidencyCheckParts,
  tenants: readonly PlantedTenant[],
): Promise<ReadonlyMap<string, SearchReport>> {
  const order = {
    digests: tenants.flatMap(({ canaries }) => Object.values(canaries).map(digestOf)),
    slugs: tenants.map(({ slug }) => slug),
  };
  const reports = new Map<string, SearchReport>();
  for (const [name, region] of regions) reports.set(name, await region.searchCanaries(order));
  const stopped = Object.keys(config.regions).filter((name) => !regions.has(name));
  for (const name of searchStopped ? stopped : []) {
    const report = await searchStopped?.(name, order);
    if (report) reports.set(name, report);
  }
  reports.set("control plane", await searchControlPlane(order));
  return reports;
}

async function remove(parts: ResidencyCheckParts, tenant: PlantedTenant): Promise<void> {
  const { slug, canaries, region: name } = tenant;
  const region = regionOf(parts, name);
  await region.removeCanaries({ slug, canaries, addresses: addressesOf(tenant) });
  const entry = tenant.throwaway ? await parts.directory.find(slug) : undefined;
  // A sign-up that failed has taken everything back.
  if (entry && entry.state !== "provisioning" && entry.state !== "closed")
    await region.close({ slug, askedBy: "residency check", withoutExport: true });
}

function regionOf({ regions }: ResidencyCheckParts, name: string): RegionControl {
  const region = regions.get(name);
  if (!region) throw fault("E_REGION_UNAVAILABLE", `The region ${name} does not run.`);
  return region;
}

/** A name that no mail server is ever found for (RFC 6761, 6.4). */
function addressOf(canary: string): string {
  return `${canary}@residency.invalid`;
}

function addressesOf({ canaries }: PlantedTenant): string[] {
  return [canaries.email, canaries.mail].flatMap((canary) => (canary ? [addressOf(canary)] : []));
}
