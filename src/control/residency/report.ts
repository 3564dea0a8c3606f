import type { Config } from "../../core/config/schema.ts";
import type { CanaryKind } from "../../core/residency/kinds.ts";
import type { PlantedTenant } from "./check.ts";
import { digestOf } from "./digest.ts";
import type { SearchedStore, SearchReport } from "./search.ts";

/** A piece of a tenant's data where it must not be. */
export interface ResidencyFinding {
  /** What of the tenant it is, as in `email`; `slug` for an object that is named after it. */
  readonly kind: CanaryKind | "slug";
  readonly slug: string;
  /** The tenant's region. */
  readonly from: string;
  /** A region, or `control plane`. */
  readonly foundIn: string;
  readonly store: string;
  readonly place: string;
  /** How it is written there, as in `text` or `base64`. */
  readonly form: string;
}

/** What a residency check planted, where it looked, and what it found. */
export interface ResidencyReport {
  /** Nothing was found where it must not be. */
  readonly ok: boolean;
  readonly tenants: readonly {
    readonly slug: string;
    readonly region: string;
    readonly planted: readonly CanaryKind[];
    /** What the same search did not see in the tenant's own region: of these nothing was proven. */
    readonly unseen: readonly CanaryKind[];
  }[];
  readonly searched: readonly ({ readonly where: string } & SearchedStore)[];
  readonly notSearched: readonly { readonly where: string; readonly what: string }[];
  readonly findings: readonly ResidencyFinding[];
}

/** Says of each sighting whether the tenant's data may be there: in its region, and in the one that recovers it. */
export function judge(
  config: Config,
  tenants: readonly PlantedTenant[],
  reports: ReadonlyMap<string, SearchReport>,
): ResidencyReport {
  const known = new Map<
    string,
    { readonly tenant: PlantedTenant; readonly kind: ResidencyFinding["kind"] }
  >();
  for (const tenant of tenants) {
    known.set(tenant.slug, { tenant, kind: "slug" });
    for (const [kind, canary] of Object.entries(tenant.canaries))
      known.set(digestOf(canary), { tenant, kind: kind as CanaryKind });
  }
  const seenAtHome = new Set<string>();
  const findings: ResidencyFinding[] = [];
  for (const [foundIn, { sightings }] of reports) {
    for (const { what, store, place, form } of sightings) {
      const match = known.get(what);
      if (!match) continue;
      const { slug, region: from } = match.tenant;
      if (foundIn === from) seenAtHome.add(what);
      const isAllowed = foundIn === from || foundIn === config.regions[from]?.recovery;
      if (!isAllowed) findings.push({ kind: match.kind, slug, from, foundIn, store, place, form });
    }
  }
  return {
    ok: findings.length === 0,
    tenants: tenants.map(({ slug, region, canaries }) => ({
      slug,
      region,
      planted: Object.keys(canaries) as CanaryKind[],
      unseen: Object.entries(canaries).flatMap(([kind, canary]) =>
        seenAtHome.has(digestOf(canary)) ? [] : [kind as CanaryKind],
      ),
    })),
    searched: [...reports].flatMap(([where, { searched }]) => searched.map((store) => ({ where, ...store }))),
    notSearched: [...notRunning(config, reports), ...unreadable(reports)],
    findings,
  };
}

function notRunning(config: Config, reports: ReadonlyMap<string, SearchReport>) {
  return Object.keys(config.regions)
    .filter((name) => !reports.has(name))
    .map((where) => ({ where, what: "everything: the region does not run" }));
}

function unreadable(reports: ReadonlyMap<string, SearchReport>) {
  return [...reports].flatMap(([where, report]) => report.unreadable.map((what) => ({ where, what })));
}
