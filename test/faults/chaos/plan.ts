import { pick, seededRandom } from "./random.ts";

/** What can be done to the system as a whole: one at a time, with pauses. */
export const faultKinds = [
  "kill-instance",
  "kill-balancer",
  "kill-controller",
  "kill-supervisor",
  "kill-primary",
  "kill-standby",
  "kill-replica",
  "stop-primary",
] as const;

/** What an operator does to a database server, or to all tenants. */
export const fleetKinds = ["fail-over", "migrate"] as const;

/** What an operator does to one tenant: never two at the same time to the same one. */
export const tenantKinds = [
  "suspend-resume",
  "move-region",
  "move-plan",
  "backup",
  "restore-copy",
  "restore",
] as const;

export type ActionKind =
  | (typeof faultKinds)[number]
  | (typeof fleetKinds)[number]
  | (typeof tenantKinds)[number];

export interface Action {
  readonly kind: ActionKind;
  /** Since the action before it in its lane has ended. */
  readonly pauseMilliseconds: number;
  /** In [0, 1): which of the processes, servers, regions or plans that there are then. */
  readonly choice: number;
  /** Of the tenants' kinds. */
  readonly slug?: string;
}

/** What is done one after the other; the lanes go on beside each other, and no tenant is in two. */
export interface Lane {
  readonly name: "faults" | "fleet" | "tenants-1" | "tenants-2";
  readonly actions: readonly Action[];
}

export interface PlanOptions {
  readonly seed: number;
  readonly slugs: readonly string[];
  /** Of the whole run, if the machine is quick: pauses of so long are planned. */
  readonly seconds: number;
  /** Those that this build of Rowhouse can do. */
  readonly kinds: readonly ActionKind[];
}

/** Pauses of a lane, in milliseconds: shorter ones leave no time for what a fault breaks to show. */
const pauses: Readonly<Record<Lane["name"], readonly [number, number]>> = {
  faults: [800, 4000],
  fleet: [3000, 9000],
  "tenants-1": [300, 2500],
  "tenants-2": [300, 2500],
};

/** Everything that a run will do, as its seed says: how far it comes is for the machine to say. */
export function planActions(options: PlanOptions): Lane[] {
  const { seed, slugs } = options;
  const half = (index: number) => slugs.filter((_, position) => position % 2 === index);
  return [
    planLane("faults", options, { seed, kinds: faultKinds, slugs: [] }),
    planLane("fleet", options, { seed: seed + 1, kinds: fleetKinds, slugs: [] }),
    planLane("tenants-1", options, { seed: seed + 2, kinds: tenantKinds, slugs: half(0) }),
    planLane("tenants-2", options, { seed: seed + 3, kinds: tenantKinds, slugs: half(1) }),
  ];
}

function planLane(
  name: Lane["name"],
  options: PlanOptions,
  lane: { readonly seed: number; readonly kinds: readonly ActionKind[]; readonly slugs: readonly string[] },
): Lane {
  const random = seededRandom(lane.seed);
  const [shortest, longest] = pauses[name];
  const able = lane.kinds.filter((kind) => options.kinds.includes(kind));
  const actions: Action[] = [];
  let left: ActionKind[] = [];
  for (let elapsed = 0; elapsed < options.seconds * 1000 && able.length > 0; ) {
    // Every kind comes once before one comes again.
    if (left.length === 0) left = [...able];
    const kind = pick(left, random()) ?? left[0]!;
    left = left.filter((other) => other !== kind);
    const pauseMilliseconds = Math.round(shortest + random() * (longest - shortest));
    const slug = pick(lane.slugs, random());
    actions.push({ kind, pauseMilliseconds, choice: random(), ...(slug === undefined ? {} : { slug }) });
    elapsed += pauseMilliseconds;
  }
  return { name, actions };
}
