/** One thing that bringing a region to its declared state would do. */
export interface StackChange {
  readonly action: "add" | "change" | "remove";
  /** The thing's name inside the region: a resource's logical id, or a process. */
  readonly id: string;
  /** As in `AWS::EC2::VPC` or `controller`. */
  readonly type: string;
  /** Whether the thing that is there is made anew and what it holds lost; `maybe` where only the doing will tell. */
  readonly replacement: "no" | "maybe" | "yes";
}

/** What {@link Stacks.apply} would do; without changes nothing. */
export interface StackPlan {
  /** The engine's own. */
  readonly id: string;
  readonly region: string;
  readonly changes: readonly StackChange[];
}

/** A thing of a region that is not as it was declared. */
export interface StackDrift {
  readonly id: string;
  readonly type: string;
  readonly difference: "missing" | "changed";
  /** One clause, as in `Properties.Size is 2 instead of 3`. */
  readonly detail: string;
}

/** A region as a whole. */
export interface RegionStack {
  readonly region: string;
  /** `failed`: the last creation or update came to nothing; another may be tried. `absent`: nothing is there. */
  readonly status: "absent" | "creating" | "ready" | "failed" | "deleting";
  /** Why it failed; `null` when it did not. */
  readonly problem: string | null;
  /** What differed when it was last looked at; `null` while nobody has. */
  readonly drift: readonly StackDrift[] | null;
}

/** Told of each step: a short clause without a full stop, as in `Vpc (AWS::EC2::VPC) created`. */
export type StackProgress = (message: string) => void;

/** Regions of one system, each a full copy of the architecture that is made and removed as a whole. */
export interface Stacks {
  /** All but the absent ones, by name. */
  list(): Promise<readonly RegionStack[]>;
  /** `absent` for a region that nobody has ever heard of, too. */
  describe(region: string): Promise<RegionStack>;
  /**
   * What is between the region as it is and as it is declared. Changes nothing. Where another operation on the region
   * is under way, perhaps one whose starter was killed, its end is waited for, and what it does told.
   * @throws E_REGION_UNKNOWN when no such region is declared
   */
  plan(region: string, onProgress?: StackProgress): Promise<StackPlan>;
  /**
   * Does what the plan says, which this object made, and returns when the region is `ready`. Safe to repeat after a
   * crash with a new plan.
   * @throws E_CONFLICT when the region is no longer as the plan found it, and what keeps the region from coming up
   */
  apply(plan: StackPlan, onProgress: StackProgress): Promise<void>;
  /** Removes the region with all that is in it and returns when it is gone. Repeating it, or an absent one, is no error. */
  delete(region: string, onProgress: StackProgress): Promise<void>;
  /** Looks now; of an absent region there is nothing to tell. */
  drift(region: string): Promise<readonly StackDrift[]>;
}
