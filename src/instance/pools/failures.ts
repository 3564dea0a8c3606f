import { isConnectionLoss } from "../../postgres/connect.ts";

interface PostgresError {
  readonly code?: unknown;
  readonly routine?: unknown;
  readonly severity?: unknown;
  readonly message?: unknown;
}

/** What is to be done about a query's failure. */
export interface FailureAdvice {
  /** The connection is of no more use. */
  readonly discard: boolean;
  /** The statement certainly had no effect, and may do better on a fresh connection or plan. */
  readonly mayRepeat: boolean;
}

/**
 * Judges a failed query that was not inside a transaction of the caller. `completed` tells whether Postgres had
 * reported a statement of it as carried out.
 */
export function adviseOnFailure(
  thrown: unknown,
  query: { readonly completed: boolean; readonly onWriter: boolean },
): FailureAdvice {
  const error = (thrown ?? {}) as PostgresError;
  if (isStalePlan(error)) return { discard: false, mayRepeat: !query.completed };
  // 25006 read_only_sql_transaction: the node was demoted. On a reader it is the caller's mistake.
  if (error.code === "25006") return { discard: query.onWriter, mayRepeat: query.onWriter };
  if (!isConnectionLoss(thrown)) return { discard: false, mayRepeat: false };
  return { discard: true, mayRepeat: !query.completed && certainlyDidNotRun(error) };
}

const losses = new WeakSet<object>();

/** Remembers a query's failure if the database went away under it: by its code alone it could be of any connection. */
export function noteLoss(error: unknown): void {
  if (typeof error === "object" && error !== null && isConnectionLoss(error)) losses.add(error);
}

/** Whether a tenant's database went away under a query: what was thrown says so, or what it was caused by. */
export function isDatabaseLoss(thrown: unknown): boolean {
  const seen = new Set<unknown>();
  for (let error = thrown; typeof error === "object" && error !== null && !seen.has(error); ) {
    if (losses.has(error)) return true;
    seen.add(error);
    error = (error as { cause?: unknown }).cause;
  }
  return false;
}

/**
 * The plan no longer fits the tables (0A000 from RevalidateCachedQuery), or the statement is gone (26000, after a
 * DEALLOCATE or DISCARD). Both are found before anything runs.
 * Source: pgjdbc, QueryExecutorBase.willHealViaReparse.
 */
export function isStalePlan(error: PostgresError): boolean {
  return error.code === "26000" || (error.code === "0A000" && error.routine === "RevalidateCachedQuery");
}

/**
 * A connection that was closed while it lay idle, or whose server ended it with an error in place of a result:
 * FATAL 57P01 aborts the transaction before it commits. A socket that only closed tells nothing.
 */
function certainlyDidNotRun(error: PostgresError): boolean {
  if (error.severity === "FATAL" && typeof error.code === "string") return /^57P0[13]$/.test(error.code);
  return typeof error.message === "string" && /not queryable$/.test(error.message);
}
