import type { NodeLiveness } from "./node.ts";

/** A node as it is when roles are decided on. */
export interface NodeSight {
  readonly status: NodeLiveness["status"];
  /** Its process lives and answers nobody. */
  readonly isHung: boolean;
}

/** All that the decision on a pair's roles takes. */
export interface PairSight {
  /** As `server.json` says them. */
  readonly inSync: boolean;
  readonly isPromoting: boolean;
  readonly primary: NodeSight;
  readonly standby: NodeSight;
  /** The standby's data are being replaced. */
  readonly isRebuilding: boolean;
  /** The newest timelines of both data folders, where they were looked at: once, when the pair is taken over. */
  readonly timelines?: { readonly primary: number; readonly standby: number };
}

/**
 * What to do about a pair's roles:
 * - `keep`: nothing; a node that is down is started as what it was;
 * - `failOver`: the standby becomes the primary;
 * - `resume`: go on with a promotion that was begun;
 * - `restart`: end a primary that hangs, and start it again as what it was.
 */
type RoleStep = "keep" | "failOver" | "resume" | "restart";

/**
 * Decides on a pair's roles. A promotion that was begun is never left half done: the old primary must not run again
 * while the standby may be one. For the same reason the newest timeline wins over what the file says. And a standby
 * that may lack an acknowledged write is never promoted, however long its primary is away.
 */
export function nextRoleStep(pair: PairSight): RoleStep {
  const { primary, standby, timelines } = pair;
  if (pair.isPromoting) return "resume";
  if (timelines && timelines.standby > timelines.primary) return "failOver";
  if (primary.status !== "down" && !primary.isHung) return "keep";
  if (!pair.inSync) return primary.isHung ? "restart" : "keep";
  const isFit = standby.status === "running" && !standby.isHung && !pair.isRebuilding;
  // With both away at once, the primary comes back by itself sooner than it could be replaced.
  return isFit ? "failOver" : "keep";
}
