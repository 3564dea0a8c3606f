import { fault } from "../error.ts";
import type { Isolation } from "../tenant/tenant.ts";

/** What placement needs to know of a shared database server. */
export interface ServerLoad {
  readonly name: string;
  readonly tenants: number;
  /** Most tenants that it may hold. */
  readonly capacity: number;
  readonly available: boolean;
}

export type Placement = { readonly kind: "shared"; readonly server: string } | { readonly kind: "dedicated" };

/**
 * Chooses where a new tenant's data goes: a server of its own, or the shared one with the most room.
 * @throws E_QUOTA when every shared server is full, E_DATABASE_UNAVAILABLE when none with room can be used
 */
export function place(isolation: Isolation, servers: readonly ServerLoad[]): Placement {
  if (isolation === "server") return { kind: "dedicated" };
  const roomy = servers.filter((server) => server.tenants < server.capacity);
  if (roomy.length === 0) throw fault("E_QUOTA", "Every shared database server of the region is full.");
  const best = roomy
    .filter((server) => server.available)
    .toSorted((a, b) => a.tenants / a.capacity - b.tenants / b.capacity || a.name.localeCompare(b.name))[0];
  if (!best) throw fault("E_DATABASE_UNAVAILABLE", "No shared database server of the region is available.");
  return { kind: "shared", server: best.name };
}
