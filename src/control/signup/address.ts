import { isIP } from "node:net";
import type { Dns } from "../../ports/dns.ts";
import type { RegionContext } from "../region-context.ts";

const ttlSeconds = 60;

/** The name of a region's balancer; "regions" is no slug, so no tenant can have it. */
function regionHost(context: Pick<RegionContext, "config">, region: string): string {
  return `${region}.regions.${context.config.domain}`;
}

/** The region that the zone's wildcard points to: its tenants need no record of their own. */
function defaultRegion(context: Pick<RegionContext, "config">): string | undefined {
  return Object.entries(context.config.regions).find(([, region]) => region.start)?.[0];
}

/** Makes the tenant's name resolve to its region's balancer. */
export async function registerAddress(context: RegionContext, slug: string): Promise<string> {
  if (context.name === defaultRegion(context)) return "wildcard";
  await context.platform.dns.upsert({
    name: `${slug}.${context.config.domain}`,
    type: "CNAME",
    ttlSeconds,
    values: [regionHost(context, context.name)],
  });
  return "record";
}

/** Takes the tenant's own record back. */
export async function unregisterAddress(context: RegionContext, slug: string): Promise<void> {
  await context.platform.dns.remove(`${slug}.${context.config.domain}`, "CNAME");
}

/** Publishes the region's balancer, and the wildcard when this is the default region. */
export async function publishRegion(context: RegionContext): Promise<void> {
  const { address } = await context.platform.balancer.describe();
  const host = regionHost(context, context.name);
  await context.platform.dns.upsert({
    name: host,
    type: addressType(address),
    ttlSeconds,
    values: [address],
  });
  if (context.name !== defaultRegion(context)) return;
  await context.platform.dns.upsert({
    name: `*.${context.config.domain}`,
    type: "CNAME",
    ttlSeconds,
    values: [host],
  });
}

/** A managed balancer has a name, and changes its addresses as it likes. */
function addressType(address: string): "A" | "AAAA" | "CNAME" {
  return ({ 4: "A", 6: "AAAA" } as const)[isIP(address)] ?? "CNAME";
}

/** Leads a lost region's name, and so every tenant's that leads to it, to another balancer. */
export async function redirectRegion(
  context: Pick<RegionContext, "config"> & { readonly dns: Dns },
  region: string,
  address: string,
): Promise<void> {
  const [name, type] = [regionHost(context, region), addressType(address)];
  // A name has either addresses or another name.
  for (const other of ["A", "AAAA", "CNAME"] as const)
    if (other !== type) await context.dns.remove(name, other);
  await context.dns.upsert({ name, type, ttlSeconds, values: [address] });
}

/** Takes back what {@link publishRegion} made. Names that the wildcard stood for then lead nowhere. */
export async function unpublishRegion(
  context: Pick<RegionContext, "config"> & { readonly dns: Pick<Dns, "remove"> },
  region: string,
): Promise<void> {
  if (region === defaultRegion(context)) await context.dns.remove(`*.${context.config.domain}`, "CNAME");
  for (const type of ["A", "AAAA", "CNAME"] as const)
    await context.dns.remove(regionHost(context, region), type);
}
