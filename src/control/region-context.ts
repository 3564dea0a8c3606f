import type { Config, PlanConfig, RegionConfig } from "../core/config/schema.ts";
import { fault } from "../core/error.ts";
import type { RegionPlatform } from "../ports/platform.ts";
import type { WriterPool } from "../postgres/pool.ts";
import type { Directory } from "./directory.ts";
import type { RegionControl } from "./region-control.ts";
import type { InstalledRelease } from "./release/installed.ts";
import type { Relocation } from "./relocation/relocation.ts";
import type { Administration } from "./tenant-data/administration.ts";
import type { Locations } from "./tenant-data/locations.ts";
import type { TenantData } from "./tenant-data/tenant-data.ts";
import type { TenantOperations } from "./tenant-operation.ts";

/** What the control plane's use cases in a region work with. */
export interface RegionContext {
  readonly name: string;
  readonly config: Config;
  readonly region: RegionConfig;
  readonly platform: RegionPlatform;
  /** The region's control database. */
  readonly pool: WriterPool;
  readonly directory: Directory;
  readonly administration: Administration;
  readonly locations: Locations;
  readonly tenantData: TenantData;
  /** The release that new instances and new tenants get. @throws E_RELEASE_MISSING before the first one is there */
  readonly release: () => InstalledRelease;
  /** Who is at work on which tenant of this region. */
  readonly operations: TenantOperations;
  readonly relocation: Relocation;
  /** The controller of another region. @throws E_REGION_UNKNOWN when there is none, E_REGION_UNAVAILABLE */
  readonly peer: (region: string) => RegionControl;
  /** Runs the application's seed for a tenant, on an instance. */
  readonly seed: (slug: string) => Promise<void>;
  /** The address that a tenant is reached at. */
  readonly tenantUrl: (slug: string) => string;
}

/** The shared database server that a region begins with. */
export const firstSharedServer = "shared-1";

/** @throws E_PLAN_UNKNOWN */
export function planOf(config: Config, plan: string): PlanConfig {
  const found = Object.hasOwn(config.plans, plan) ? config.plans[plan] : undefined;
  if (found) return found;
  throw fault(
    "E_PLAN_UNKNOWN",
    `There is no plan "${plan}"; there are ${Object.keys(config.plans).join(", ")}.`,
  );
}
