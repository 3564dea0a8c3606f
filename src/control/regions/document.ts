import type { RegionConfig } from "../../core/config/schema.ts";
import type { RegionStack, StackDrift } from "../../ports/stacks.ts";

/** A region as operators see it: what the config says of it, and what is there. */
export interface RegionDocument {
  readonly name: string;
  /** `null` for a region that the config does not name any more. */
  readonly jurisdiction: string | null;
  /** `fenced`: it has failed over, and serves nobody. */
  readonly status: RegionStack["status"] | "fenced";
  /** Why the last creation failed. */
  readonly problem: string | null;
  readonly zones: readonly string[];
  /** Region that its tenants come back in when it is lost. */
  readonly recovery: string | null;
  /** Where its tenants live since it failed over; `null` when it did not. */
  readonly failedOverTo: string | null;
  /** Tenants that live there, in any state but closed. */
  readonly tenants: number;
  /** What is not as it was declared; left out while nobody has looked. */
  readonly drift?: readonly StackDrift[];
}

export function regionDocument(
  stack: RegionStack,
  config: RegionConfig | undefined,
  tenants: number,
  failedOverTo: string | null = null,
): RegionDocument {
  return {
    name: stack.region,
    jurisdiction: config?.jurisdiction ?? null,
    status: failedOverTo === null ? stack.status : "fenced",
    problem: stack.problem,
    zones: config?.zones ?? [],
    recovery: config?.recovery ?? null,
    failedOverTo,
    tenants,
    ...(stack.drift === null ? {} : { drift: stack.drift }),
  };
}
