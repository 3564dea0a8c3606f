import { createHash } from "node:crypto";
import type { Clock, Random } from "../../src/ports/clock.ts";

/** A clock that stands still until a test moves it. */
export interface FakeClock extends Clock {
  /**
   * Moves time forward and wakes whoever's time has come, in order. Between two wakings the woken code runs until
   * it waits for something else, so that a loop of sleeps goes round as often as it would have.
   */
  advance(milliseconds: number): Promise<void>;
  /** How many sleep now. */
  sleeping(): number;
  /** Resolves when at least `count` (default 1) sleep: the way to know that code has come to its pause. */
  untilSleeping(count?: number): Promise<void>;
}

interface Sleeper {
  readonly wakeAt: number;
  wake(): void;
}

/** Starts at `start`, by default the real time, so that signatures and certificates with dates are valid. */
export function createFakeClock(start: Date = new Date()): FakeClock {
  let elapsed = 0;
  const sleepers = new Set<Sleeper>();
  const watchers = new Set<() => void>();

  function sleep(milliseconds: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(signal.reason);
      if (milliseconds <= 0) return resolve();
      const sleeper: Sleeper = { wakeAt: elapsed + milliseconds, wake: () => end(resolve) };
      const onAbort = () => end(() => reject(signal?.reason));
      const end = (settle: () => void) => {
        sleepers.delete(sleeper);
        signal?.removeEventListener("abort", onAbort);
        settle();
      };
      signal?.addEventListener("abort", onAbort);
      sleepers.add(sleeper);
      for (const watcher of watchers) watcher();
    });
  }

  async function advance(milliseconds: number): Promise<void> {
    const end = elapsed + milliseconds;
    for (let next = earliest(sleepers, end); next; next = earliest(sleepers, end)) {
      elapsed = Math.max(elapsed, next.wakeAt);
      next.wake();
      await settle();
    }
    elapsed = end;
    await settle();
  }

  function untilSleeping(count = 1): Promise<void> {
    return new Promise((resolve) => {
      const watcher = () => {
        if (sleepers.size < count) return;
        watchers.delete(watcher);
        resolve();
      };
      watchers.add(watcher);
      watcher();
    });
  }

  return {
    now: () => new Date(start.getTime() + elapsed),
    elapsedMilliseconds: () => elapsed,
    sleep,
    advance,
    sleeping: () => sleepers.size,
    untilSleeping,
  };
}

function earliest(sleepers: ReadonlySet<Sleeper>, end: number): Sleeper | undefined {
  let first: Sleeper | undefined;
  for (const sleeper of sleepers) {
    if (sleeper.wakeAt <= end && (!first || sleeper.wakeAt < first.wakeAt)) first = sleeper;
  }
  return first;
}

/** Lets all promise reactions that are ready run. */
function settle(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

/** Randomness that is the same for the same seed: SHA-256 over the seed and a counter. */
export function createSeededRandom(seed: number | string): Random {
  let counter = 0;
  function bytes(length: number): Uint8Array {
    const blocks: Buffer[] = [];
    for (let left = length; left > 0; left -= 32) {
      blocks.push(createHash("sha256").update(`${seed}:${counter++}`).digest());
    }
    return new Uint8Array(Buffer.concat(blocks)).subarray(0, length);
  }
  function uuid(): string {
    const hex = Buffer.from(bytes(16)).toString("hex");
    const variant = "89ab"[Number.parseInt(hex.charAt(16), 16) % 4];
    return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-4${hex.slice(13, 16)}-${variant}${hex.slice(17, 20)}-${hex.slice(20)}`;
  }
  return { bytes, uuid };
}
