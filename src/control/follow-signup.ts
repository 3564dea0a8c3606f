import { setTimeout as sleep } from "node:timers/promises";
import { RowhouseError } from "../core/error.ts";
import type { RegionControl, SignupStatus, SignupStepStatus } from "./region-control.ts";

/** How long a region may be silent in the middle of a sign-up: its controller resumes after a crash. */
const patienceMilliseconds = 60_000;
const pauseMilliseconds = 200;

/** True when nothing will change any more. */
function hasEnded(status: SignupStatus): boolean {
  return status.state === "completed" || status.state === "failed";
}

/**
 * Every status of a sign-up that differs from the one before, beginning with `first`, up to and with the last.
 * Ends early, without an error, when `signal` is aborted. With `only: "end"` the steps on the way are not waited for.
 * @throws E_REGION_UNAVAILABLE when the region stays silent
 */
export async function* followSignup(
  region: Pick<RegionControl, "waitForSignup">,
  first: SignupStatus,
  signal: AbortSignal,
  only: "changes" | "end" = "changes",
): AsyncGenerator<SignupStatus, void, void> {
  let last = first;
  yield last;
  while (!hasEnded(last) && !signal.aborted) {
    const startedAt = performance.now();
    const seen = only === "end" ? Number.MAX_SAFE_INTEGER : eventsSeen(last);
    const next = await nextStatus(region, { id: last.id, seen }, signal);
    if (signal.aborted) return;
    if (next && JSON.stringify(next) !== JSON.stringify(last)) {
      last = next;
      yield last;
    } else if (performance.now() - startedAt < pauseMilliseconds) {
      // A region that answers at once with nothing new must not be asked in a busy loop.
      await sleep(pauseMilliseconds);
    }
  }
}

/** How many events of the history a step's state stands for: at least, so that none is waited for in vain. */
const eventsOf: Readonly<Record<SignupStepStatus["state"], number>> = {
  waiting: 0,
  running: 0,
  done: 1,
  "not-configured": 1,
  failed: 1,
  undone: 2,
};

function eventsSeen(status: SignupStatus): number {
  return status.steps.reduce((events, step) => events + eventsOf[step.state], 0);
}

async function nextStatus(
  region: Pick<RegionControl, "waitForSignup">,
  query: { readonly id: string; readonly seen: number },
  signal: AbortSignal,
): Promise<SignupStatus | undefined> {
  for (
    const deadline = performance.now() + patienceMilliseconds;
    !signal.aborted;
    await sleep(pauseMilliseconds)
  ) {
    try {
      return await region.waitForSignup({ ...query, timeoutSeconds: 1 });
    } catch (error) {
      const passing = error instanceof RowhouseError && error.status === 503;
      if (!passing || performance.now() > deadline) throw error;
    }
  }
  return undefined;
}
