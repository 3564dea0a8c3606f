import type { ServerLoad } from "../../core/placement/place.ts";
import { firstSharedServer, type RegionContext } from "../region-context.ts";

/** The region's shared servers with their load. */
export async function placementServers(context: RegionContext): Promise<ServerLoad[]> {
  const [counts, status] = await Promise.all([
    context.locations.countByServer(),
    context.platform.databases.describe(firstSharedServer),
  ]);
  return [
    {
      name: firstSharedServer,
      tenants: counts.get(firstSharedServer) ?? 0,
      capacity: context.config.tenantsPerServer,
      available: status?.status === "available" || status?.status === "degraded",
    },
  ];
}
