/** A book that a tenant should have, as whoever wrote it knows it. */
export interface Write {
  readonly title: string;
  readonly startedAt: number;
  /** Until then the client did not know. */
  endedAt: number;
  /** `acknowledged`: answered 201; `refused`: answered that it was not done; `unknown`: not answered, or by a fault. */
  outcome: "open" | "acknowledged" | "refused" | "unknown";
  id?: number;
}

/** When something was done, as its caller saw it, in milliseconds. */
export interface Interval {
  readonly from: number;
  readonly to: number;
}

/** What must be true of one title: it is there, it is not there, or nobody can know; never twice. */
export type Expected = "present" | "absent" | "either";

export interface Expectation {
  readonly title: string;
  readonly expected: Expected;
  readonly id?: number;
}

interface Restore {
  /** When the backup was made: its snapshot is from some moment in there. */
  readonly backup: Interval;
  /** When the tenant was taken back to it; without, the book of a copy ends with the backup. */
  readonly switched?: Interval;
}

/** One tenant's book of writes. */
export class Ledger {
  readonly slug: string;
  readonly writes: Write[] = [];
  readonly #restores: Restore[] = [];

  constructor(slug: string) {
    this.slug = slug;
  }

  begin(title: string, startedAt: number): Write {
    const write: Write = { title, startedAt, endedAt: Number.POSITIVE_INFINITY, outcome: "open" };
    this.writes.push(write);
    return write;
  }

  /** Notes that the tenant was taken back to a backup. */
  restored(backup: Interval, switched: Interval): void {
    this.#restores.push({ backup, switched });
  }

  /** What must be there now. */
  expectations(): Expectation[] {
    return this.writes.map((write) => expectationOf(write, stateAfter(write, this.#restores)));
  }

  /** What must be there in a copy of the tenant that was made from a backup. */
  expectationsOfCopy(backup: Interval): Expectation[] {
    // A copy knows what the tenant was taken back to before the backup, and nothing of what came later.
    const earlier = this.#restores.filter(({ switched }) => switched && switched.from < backup.to);
    return this.writes.map((write) => expectationOf(write, stateAfter(write, [...earlier, { backup }])));
  }
}

function expectationOf(write: Write, expected: Expected): Expectation {
  return { title: write.title, expected, ...(write.id === undefined ? {} : { id: write.id }) };
}

/** What became of a write after the restores that came after it, in their order. */
function stateAfter(write: Write, restores: readonly Restore[]): Expected {
  let state: Expected = firstState(write);
  for (const { backup, switched } of restores) {
    const inBackup = whenWritten(write, backup);
    const beforeSwitch = switched ? whenWritten(write, switched) : "before";
    // What was written after the switch has nothing to do with it.
    if (beforeSwitch === "after") continue;
    const restored: Expected =
      inBackup === "before" ? state : inBackup === "after" ? "absent" : weaken(state);
    state = beforeSwitch === "before" ? restored : unite(state, restored);
  }
  return state;
}

function firstState({ outcome }: Write): Expected {
  if (outcome === "acknowledged") return "present";
  return outcome === "refused" ? "absent" : "either";
}

/** Where a write lies to an interval; a write whose answer never came may be done at any time after its beginning. */
function whenWritten(write: Write, interval: Interval): "before" | "during" | "after" {
  if (write.startedAt > interval.to) return "after";
  const endedAt = write.outcome === "acknowledged" ? write.endedAt : Number.POSITIVE_INFINITY;
  return endedAt < interval.from ? "before" : "during";
}

/** It may be in the backup or not. */
function weaken(state: Expected): Expected {
  return state === "absent" ? "absent" : "either";
}

function unite(one: Expected, other: Expected): Expected {
  return one === other ? one : "either";
}
