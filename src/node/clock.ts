import { randomBytes, randomUUID } from "node:crypto";
import { setTimeout as timer } from "node:timers/promises";
import type { Clock, Random } from "../ports/clock.ts";

/** The longest that one timer of Node can wait; it fires at once when asked for more. */
const longestTimerMilliseconds = 2 ** 31 - 1;

/** The machine's own clock. */
export function createSystemClock(): Clock {
  return {
    now: () => new Date(),
    elapsedMilliseconds: () => performance.now(),
    sleep,
  };
}

/** The operating system's cryptographic randomness. */
export function createSystemRandom(): Random {
  return { bytes: (length) => randomBytes(length), uuid: () => randomUUID() };
}

async function sleep(milliseconds: number, signal?: AbortSignal): Promise<void> {
  try {
    let left = Math.max(0, milliseconds);
    do {
      await timer(Math.min(left, longestTimerMilliseconds), undefined, signal && { signal });
      left -= longestTimerMilliseconds;
    } while (left > 0);
  } catch (error) {
    // Node's timer rejects with an AbortError of its own, whatever the signal's reason is.
    signal?.throwIfAborted();
    throw error;
  }
}
