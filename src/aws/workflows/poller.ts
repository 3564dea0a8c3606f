import type { Clock } from "../../ports/clock.ts";
import { describeError, type WorkflowLog } from "./log.ts";

interface PollerOptions<Task> {
  /** Asks for a task; SWF answers after 60 s when there is none. */
  readonly poll: (signal: AbortSignal) => Promise<Task | undefined>;
  readonly handle: (task: Task) => Promise<void>;
  /** Tasks at a time; no more is asked for while so many are in hand. */
  readonly concurrency: number;
  readonly clock: Clock;
  readonly log: WorkflowLog;
}

/** Polls open at a time; SWF takes 1,000 a task list, of all processes together. */
const maxPolls = 8;
/** SWF's reference asks for at least 70 s. A connection that died unnoticed must not be waited for without end. */
const pollTimeoutMilliseconds = 75_000;
/** SWF hands a task to a waiting poll within milliseconds; one that has brought nothing by then is passed over. */
const nudgeMilliseconds = 25;
/** An empty answer comes no faster than this from SWF; something else that answers so is not asked in a spin. */
const emptyMilliseconds = 1000;
const firstFailurePauseMilliseconds = 500;
const longestFailurePauseMilliseconds = 30_000;

/**
 * Asks SWF for tasks of one kind, by one long poll at a time, and a further one at once when it brings a task or when
 * {@link nudge} tells of a task that the waiting poll does not bring.
 */
export class Poller<Task> {
  readonly #options: PollerOptions<Task>;
  readonly #stopping = new AbortController();
  readonly #inHand = new Set<Promise<void>>();
  #polls = 0;
  #lastPollAt = 0;
  #failures = 0;
  #nudgedAt: number | undefined;

  constructor(options: PollerOptions<Task>) {
    this.#options = options;
  }

  start(): void {
    void this.#pollOn();
  }

  /** This process knows that there is a task. */
  nudge(): void {
    const { clock } = this.#options;
    const isLooking = this.#nudgedAt !== undefined;
    this.#nudgedAt = clock.elapsedMilliseconds();
    if (isLooking || this.#stopping.signal.aborted) return;
    const look = () => {
      const isPassedOver = this.#lastPollAt < (this.#nudgedAt ?? 0);
      this.#nudgedAt = undefined;
      if (isPassedOver && this.#polls < maxPolls) void this.#pollOn();
    };
    clock.sleep(nudgeMilliseconds, this.#stopping.signal).then(look, () => {});
  }

  /**
   * Asks for no more; resolves when nothing is in hand. A task that SWF hands over at this very moment is lost, and
   * noticed by its timeout.
   */
  async stop(): Promise<void> {
    this.#stopping.abort();
    await Promise.allSettled(this.#inHand);
  }

  async #pollOn(): Promise<void> {
    const { clock } = this.#options;
    const { signal } = this.#stopping;
    this.#polls++;
    try {
      for (let more = true; more && !signal.aborted; ) {
        while (this.#inHand.size >= this.#options.concurrency) await Promise.race(this.#inHand);
        signal.throwIfAborted();
        this.#lastPollAt = clock.elapsedMilliseconds();
        const pauseMilliseconds = await this.#pollOnce(this.#lastPollAt);
        if (pauseMilliseconds > 0) await clock.sleep(pauseMilliseconds, signal);
        more = pauseMilliseconds === 0 || this.#polls === 1;
      }
    } catch (error) {
      if (!signal.aborted) throw error;
    } finally {
      this.#polls--;
    }
  }

  /** Milliseconds to pause before the next poll: 0 after a task. */
  async #pollOnce(startedAt: number): Promise<number> {
    const { poll, clock, log } = this.#options;
    const { signal } = this.#stopping;
    try {
      const task = await poll(AbortSignal.any([signal, AbortSignal.timeout(pollTimeoutMilliseconds)]));
      this.#failures = 0;
      if (task !== undefined) {
        this.#take(task);
        return 0;
      }
      return Math.max(1, emptyMilliseconds - (clock.elapsedMilliseconds() - startedAt));
    } catch (error) {
      if (signal.aborted) throw error;
      log({ level: "warn", message: `A poll of SWF failed: ${describeError(error)}` });
      return Math.min(firstFailurePauseMilliseconds * 2 ** this.#failures++, longestFailurePauseMilliseconds);
    }
  }

  #take(task: Task): void {
    const { handle, log } = this.#options;
    const done = handle(task)
      .catch((error: unknown) => log({ level: "error", message: describeError(error) }))
      .finally(() => this.#inHand.delete(done));
    this.#inHand.add(done);
  }
}
