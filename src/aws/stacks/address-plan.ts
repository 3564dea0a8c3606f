import { vpcCidr } from "../resources.ts";

/** What a subnet is for. `control` holds controllers or the control plane; `data` has no way out. */
export type Tier = "public" | "private" | "control" | "data";

/** A tier's first /24 inside the network's /16, how many of them each zone has, and the mask that this makes. */
const tiers = {
  private: { first: 0, size: 16, mask: 20 },
  data: { first: 128, size: 4, mask: 22 },
  public: { first: 160, size: 2, mask: 23 },
  control: { first: 176, size: 1, mask: 24 },
} as const;

/**
 * Addresses of a tier's subnet in a zone (a to h). They follow from the zone's letter alone, so that a zone that is added
 * later moves no other's.
 */
export function subnetCidr(network: number, tier: Tier, zone: string): string {
  const { first, size, mask } = tiers[tier];
  const index = zone.charCodeAt(0) - "a".charCodeAt(0);
  return block(network, first + index * size, mask);
}

/** All control subnets of a network as one block: what the other end of a peering lets in. */
export function controlCidr(network: number): string {
  return block(network, tiers.control.first, 21);
}

/** All data subnets of a network as one block: where its databases are. */
export function dataCidr(network: number): string {
  return block(network, tiers.data.first, 19);
}

function block(network: number, third: number, mask: number): string {
  const [first, second] = vpcCidr(network).split(".");
  return `${first}.${second}.${third}.0/${mask}`;
}

/**
 * Which network each region has, by number; 0 is the control plane's. A region keeps the number that it was deployed with
 * (its stack's output `NetworkIndex`), whatever becomes of the others; new ones get the lowest that are free.
 */
export function assignNetworks(
  regions: readonly string[],
  deployed: Readonly<Record<string, number>> = {},
): Readonly<Record<string, number>> {
  const taken = new Set(Object.values(deployed));
  const assigned: Record<string, number> = {};
  let next = 1;
  for (const region of regions) {
    const known = deployed[region];
    while (known === undefined && taken.has(next)) next += 1;
    assigned[region] = known ?? next;
    taken.add(assigned[region]);
  }
  return assigned;
}
