/** What the choice needs to know of a target. */
export interface Choosable {
  /** `first`: healthy. `resort`: only when no healthy one is left. `never`: it can't take a request. */
  readonly use: "first" | "resort" | "never";
  /** Requests that it has not finished answering. */
  readonly outstanding: number;
}

/**
 * The place in `ring` of the target for the next request, or -1: least outstanding requests among the best that may
 * be used, the first from `start` on a tie, and one of `avoid` (tried before) only when there is no other as good.
 * Scanning all beats the power of two choices for the few dozen targets of a region.
 * Source: Finagle, "Balancers" (least loaded); Envoy, "Supported load balancers" (weighted least request).
 */
export function chooseTarget<Target extends Choosable>(
  ring: readonly Target[],
  start: number,
  avoid?: { has(target: NoInfer<Target>): boolean },
): number {
  let best = -1;
  let bestRank = 4;
  let bestOutstanding = 0;
  for (let step = 0; step < ring.length; step++) {
    const place = (start + step) % ring.length;
    const target = ring[place];
    if (target === undefined || target.use === "never") continue;
    const rank = (target.use === "first" ? 0 : 2) + (avoid?.has(target) ? 1 : 0);
    if (rank > bestRank || (rank === bestRank && target.outstanding >= bestOutstanding)) continue;
    best = place;
    bestRank = rank;
    bestOutstanding = target.outstanding;
  }
  return best;
}

/** Orders targets so that neighbours are of different zones as long as that is possible: ties then spread over zones. */
export function interleaveZones<Target extends { readonly zone: string }>(
  targets: readonly Target[],
): Target[] {
  const zones = new Map<string, Target[]>();
  for (const target of targets) {
    const zone = zones.get(target.zone);
    if (zone) zone.push(target);
    else zones.set(target.zone, [target]);
  }
  const ring: Target[] = [];
  for (let row = 0; ring.length < targets.length; row++) {
    for (const zone of zones.values()) {
      const target = zone[row];
      if (target !== undefined) ring.push(target);
    }
  }
  return ring;
}
