import { askInstance, type InstanceAccess } from "../ask-instance.ts";

/**
 * Runs the application's seed on one of the region's instances.
 * @throws E_REGION_UNAVAILABLE when no instance is healthy, E_SIGNUP_FAILED with the application's own reason
 */
export function createSeeder(access: InstanceAccess): (slug: string) => Promise<void> {
  return (slug) => askInstance(access, "seed", { slug }, "E_SIGNUP_FAILED");
}
