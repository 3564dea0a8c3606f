/** An instance as the reconciler sees it. */
export interface ObservedInstance {
  readonly id: string;
  readonly zone: string;
  readonly state: "pending" | "running" | "terminating" | "terminated";
  readonly health: "initial" | "healthy" | "unhealthy" | "draining" | "unknown";
  readonly release: string;
  readonly ageSeconds: number;
}

export interface FleetGoal {
  readonly desired: number;
  readonly zones: readonly string[];
  readonly release: string;
  /** How long a new instance may take until it is healthy. */
  readonly startGraceSeconds: number;
}

export type FleetAction =
  | { readonly type: "launch"; readonly zone: string }
  /** `graceful`: drain first; a dead or sick one is taken out at once. */
  | { readonly type: "terminate"; readonly id: string; readonly graceful: boolean };

/**
 * What to do now so that the fleet becomes what it should be: the dead are replaced, zones stay balanced, the sick go
 * one at a time and only while others are well (when all fail their checks, the cause is most likely not in them),
 * and instances of an older release leave one by one, each only after a newer one is healthy.
 */
export function reconcileFleet(goal: FleetGoal, observed: readonly ObservedInstance[]): FleetAction[] {
  const alive = observed.filter((instance) => isUp(instance) && instance.health !== "draining");
  const givenUp = alive.filter((instance) => startsForTooLong(instance, goal));
  const sick = alive.filter((instance) => instance.health === "unhealthy");
  const staying = alive.filter((instance) => !givenUp.includes(instance) && !sick.includes(instance));
  const current = staying.filter((instance) => instance.release === goal.release);
  const outdated = staying.filter((instance) => instance.release !== goal.release);
  const healthy = staying.filter((instance) => instance.health === "healthy");

  const removed = [...givenUp, ...(healthy.length > 0 ? sick.slice(0, 1) : [])];
  const actions: FleetAction[] = removed.map(({ id }) => ({ type: "terminate", id, graceful: false }));
  // One more than desired while an older release or a sick one leaves, so that capacity never sinks.
  const surge = outdated.length + sick.length > 0 ? 1 : 0;
  const room = goal.desired + surge - (alive.length - removed.length);
  actions.push(...launches(goal.zones, current, Math.min(goal.desired - current.length, room)));

  const surplus = staying.length - goal.desired;
  const leaving = [...outdated, ...leastNeeded(current)].slice(0, Math.max(0, surplus));
  let healthyLeft = healthy.length;
  for (const instance of leaving) {
    const counts = instance.health === "healthy";
    if (counts && healthyLeft <= goal.desired) continue;
    if (counts) healthyLeft--;
    actions.push({ type: "terminate", id: instance.id, graceful: true });
  }
  return actions;
}

function isUp(instance: ObservedInstance): boolean {
  return instance.state === "pending" || instance.state === "running";
}

function startsForTooLong(instance: ObservedInstance, goal: FleetGoal): boolean {
  const starting = instance.health === "initial" || instance.health === "unknown";
  return starting && instance.ageSeconds > goal.startGraceSeconds;
}

function launches(
  zones: readonly string[],
  present: readonly ObservedInstance[],
  count: number,
): FleetAction[] {
  const perZone = new Map(
    zones.map((zone) => [zone, present.filter((instance) => instance.zone === zone).length]),
  );
  const actions: FleetAction[] = [];
  for (let i = 0; i < count; i++) {
    const [zone, size] = [...perZone].reduce((least, entry) => (entry[1] < least[1] ? entry : least));
    perZone.set(zone, size + 1);
    actions.push({ type: "launch", zone });
  }
  return actions;
}

/** Those to go first when there are too many: from the fullest zone, the youngest first. */
function leastNeeded(instances: readonly ObservedInstance[]): ObservedInstance[] {
  const size = (zone: string) => instances.filter((instance) => instance.zone === zone).length;
  return instances.toSorted((a, b) => size(b.zone) - size(a.zone) || a.ageSeconds - b.ageSeconds);
}
