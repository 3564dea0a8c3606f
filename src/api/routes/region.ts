import type { RegionControl } from "../../control/region-control.ts";
import { fault } from "../../core/error.ts";

/** The arm in a region that has tenants. @throws E_REGION_UNAVAILABLE when it does not run */
export function regionOf(regions: ReadonlyMap<string, RegionControl>, name: string): RegionControl {
  const control = regions.get(name);
  if (!control) throw fault("E_REGION_UNAVAILABLE", `The region ${name} does not run.`);
  return control;
}
