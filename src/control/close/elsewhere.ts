import { type ElsewhereReport, type Inventory, leftOf } from "../../core/closing/certificate.ts";
import { fault } from "../../core/error.ts";
import type { RegionContext } from "../region-context.ts";
import { reasonOf } from "./measure.ts";
import { takeInventory, tenantParts } from "./parts.ts";

/**
 * What the other regions have of the tenant, which may have lived there before. One that does not run is named: all that
 * a region has of a tenant that moved away goes at the move, so there is no reason to wait for it.
 */
export async function countElsewhere(
  context: RegionContext,
  slug: string,
): Promise<readonly ElsewhereReport[]> {
  const others = Object.keys(context.config.regions).filter((region) => region !== context.name);
  const reports: ElsewhereReport[] = [];
  for (const region of others) {
    try {
      const found = await context.peer(region).leftovers({ slug, remove: false });
      if (leftOf(found).length > 0) reports.push({ region, removed: found });
    } catch (error) {
      reports.push({ region, note: `Could not be asked: ${reasonOf(error)}` });
    }
  }
  return reports;
}

/** Has those regions remove it that have something. @throws E_REGION_UNAVAILABLE */
export async function removeElsewhere(
  context: RegionContext,
  slug: string,
  reports: readonly ElsewhereReport[],
): Promise<void> {
  for (const { region, removed } of reports)
    if (removed) await context.peer(region).leftovers({ slug, remove: true });
}

/**
 * What this region still has of a tenant that lives in another one; with `remove` it is gone on return.
 * @throws E_TENANT_STATE when the tenant lives here
 */
export async function leftoversOf(context: RegionContext, slug: string, remove: boolean): Promise<Inventory> {
  const entry = await context.directory.find(slug);
  if (entry?.region === context.name)
    throw fault(
      "E_TENANT_STATE",
      `The tenant "${slug}" lives in ${context.name}: nothing of it is left over.`,
    );
  // Its name leads to its home now, whatever it was here.
  const parts = tenantParts(context).filter(({ name }) => name !== "address");
  const inventory = await takeInventory(parts, slug);
  if (remove) for (const part of parts) await part.remove(slug);
  return inventory;
}
