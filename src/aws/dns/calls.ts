import type { Clock } from "../../ports/clock.ts";

/**
 * "Five requests per second per AWS account", from the Amazon Route 53 developer guide, "Quotas": a process takes no
 * more, and what several processes ask too much is throttled and repeated by the SDK.
 */
const betweenCallsMilliseconds = 200;

/** Lets one call through at a time, five a second. */
export function createCallPace(clock: Clock): () => Promise<void> {
  let next = Number.NEGATIVE_INFINITY;
  return async () => {
    const now = clock.elapsedMilliseconds();
    const start = Math.max(now, next);
    next = start + betweenCallsMilliseconds;
    if (start > now) await clock.sleep(start - now);
  };
}
