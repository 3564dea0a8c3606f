import { toRowhouseError } from "../core/error.ts";
import type { Clock } from "../ports/clock.ts";

export interface RepeatOptions {
  readonly clock: Clock;
  readonly pauseMilliseconds: number;
  /** Ends with the first round that succeeds. */
  readonly once?: boolean;
  /** Told of a round that failed, and not again of the same reason in a row. */
  readonly onFault: (error: unknown) => void;
}

/** Runs `work` again and again with a pause between, until it is stopped. */
export function repeat(options: RepeatOptions, work: () => Promise<void>): { stop(): Promise<void> } {
  const stopping = new AbortController();
  const loop = async (): Promise<void> => {
    let lastReason = "";
    while (!stopping.signal.aborted) {
      try {
        await work();
        if (options.once) return;
        lastReason = "";
      } catch (error) {
        const { message } = toRowhouseError(error);
        if (message !== lastReason) options.onFault(error);
        lastReason = message;
      }
      await options.clock.sleep(options.pauseMilliseconds, stopping.signal).catch(() => {});
    }
  };
  const running = loop();
  return {
    stop: async () => {
      stopping.abort();
      await running;
    },
  };
}
