import { fault } from "../core/error.ts";
import type { WriterPool } from "../postgres/pool.ts";
import { Directory } from "./directory.ts";
import { planOf, type RegionContext } from "./region-context.ts";
import { Relocation } from "./relocation/relocation.ts";
import { Administration } from "./tenant-data/administration.ts";
import { Locations } from "./tenant-data/locations.ts";
import { TenantData } from "./tenant-data/tenant-data.ts";
import { TenantOperations } from "./tenant-operation.ts";

/** What a region is put together from. */
export interface RegionParts
  extends Pick<
    RegionContext,
    "name" | "config" | "platform" | "pool" | "release" | "peer" | "seed" | "tenantUrl"
  > {
  readonly directoryPool: WriterPool;
}

/** Puts together what the control plane's use cases in a region work with. @throws E_REGION_UNKNOWN */
export function assembleRegion(parts: RegionParts): RegionContext {
  const { name, config, platform, pool, release, peer, seed, tenantUrl } = parts;
  const region = config.regions[name];
  if (!region) throw fault("E_REGION_UNKNOWN", `The configuration names no region "${name}".`);
  const [firstZone = "", secondZone = ""] = region.zones;
  const { databases, keys, random, clock } = platform;
  const administration = new Administration(databases);
  const locations = new Locations({ pool, keys, random });
  const directory = new Directory(parts.directoryPool);
  const connectionsOf = (plan: string) => planOf(config, plan).connections ?? "own";
  return {
    ...{ name, config, platform, pool, release, peer, seed, tenantUrl },
    region,
    directory,
    administration,
    locations,
    operations: new TenantOperations(pool),
    relocation: new Relocation({ clock, pool, directory, administration, locations, connectionsOf }),
    tenantData: new TenantData({
      databases,
      administration,
      locations,
      keys,
      regionPool: pool,
      zones: [firstZone, secondZone],
    }),
  };
}
