import type { RegionControl, SignupInput } from "../control/region-control.ts";
import type { Config } from "../core/config/schema.ts";
import { fault } from "../core/error.ts";
import { parseSlug } from "../core/tenant/slug.ts";
import { regionOf } from "./routes/region.ts";

/**
 * Checks what the shape of a sign-up can't tell, and gives the region that it goes to.
 * @throws E_TENANT_SLUG_INVALID, E_TENANT_SLUG_RESERVED, E_REGION_UNKNOWN, E_PLAN_UNKNOWN, E_REGION_UNAVAILABLE,
 * E_REGION_LOST
 */
export function admitSignup(
  input: SignupInput,
  {
    config,
    regions,
    fenced,
  }: {
    readonly config: Config;
    readonly regions: ReadonlyMap<string, RegionControl>;
    readonly fenced?: ReadonlySet<string>;
  },
): RegionControl {
  parseSlug(input.slug);
  if (fenced?.has(input.region))
    throw fault("E_REGION_LOST", `The region ${input.region} has failed over, and takes no tenants.`);
  const open = Object.entries(config.regions).flatMap(([name, { start }]) =>
    start || regions.has(name) ? [name] : [],
  );
  if (!open.includes(input.region)) {
    throw fault(
      "E_REGION_UNKNOWN",
      `There is no started region ${quote(input.region)}; there are ${open.join(", ")}.`,
    );
  }
  const plans = Object.keys(config.plans);
  if (!plans.includes(input.plan)) {
    throw fault("E_PLAN_UNKNOWN", `There is no plan ${quote(input.plan)}; there are ${plans.join(", ")}.`);
  }
  return regionOf(regions, input.region);
}

function quote(word: string): string {
  return JSON.stringify(word.slice(0, 80));
}
