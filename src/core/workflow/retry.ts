import { RowhouseError, UserError } from "../error.ts";
import type { ErrorCode } from "../error-catalog.ts";

/** How often a step or an undo is tried, and how long the pauses in between are. */
export interface RetryPolicy {
  /** 1 means no retry. */
  readonly maxAttempts: number;
  readonly initialIntervalSeconds: number;
  /** Each pause is the one before times this. */
  readonly backoffRate: number;
}

/** About 3 seconds in all: longer than a database's failover, shorter than a person's patience. */
export const defaultRetryPolicy: RetryPolicy = {
  maxAttempts: 5,
  initialIntervalSeconds: 0.2,
  backoffRate: 2,
};

/** The system's own faults that another attempt would only meet again. */
const lasting: ReadonlySet<ErrorCode> = new Set([
  "E_MIGRATION_FAILED",
  "E_SIGNUP_FAILED",
  "E_MOVE_FAILED",
  "E_RELEASE_CORRUPT",
  "E_DECRYPT",
]);

/**
 * The pause before the next attempt, in seconds, when attempt number `attempt` (1 is the first) has failed with
 * `error`; `undefined` when it was the last one. What the user got wrong stays wrong, as a few faults of the system
 * do, and is never tried again.
 */
export function retryDelaySeconds(policy: RetryPolicy, attempt: number, error: unknown): number | undefined {
  const isLasting = error instanceof UserError || (error instanceof RowhouseError && lasting.has(error.code));
  if (isLasting || attempt >= policy.maxAttempts) return undefined;
  return policy.initialIntervalSeconds * policy.backoffRate ** (attempt - 1);
}
