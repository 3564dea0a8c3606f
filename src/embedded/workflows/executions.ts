import { hasEnded } from "../../core/workflow/state.ts";
import type { Clock } from "../../ports/clock.ts";
import type { WorkflowExecution } from "../../ports/workflows.ts";

/** The workflows that this process runs just now, so that whoever follows one need not ask the database. */
export class Executions {
  readonly #clock: Clock;
  readonly #live = new Map<string, WorkflowExecution>();
  readonly #waiters = new Map<string, Set<() => void>>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  get(id: string): WorkflowExecution | undefined {
    return this.#live.get(id);
  }

  /** Shows the newest state of an execution to all who follow it; the last one is kept until they have seen it. */
  publish(execution: WorkflowExecution): void {
    this.#live.set(execution.id, execution);
    for (const wake of this.#waiters.get(execution.id) ?? []) wake();
    // Those who wait run as promise reactions, all of them before the next turn of the event loop.
    if (hasEnded(execution.state)) setImmediate(() => this.forget(execution.id, execution));
  }

  /** This process runs it no longer; with `only`, if that is still its newest state. */
  forget(id: string, only?: WorkflowExecution): void {
    if (only === undefined || this.#live.get(id) === only) this.#live.delete(id);
  }

  /** Resolves when the execution is published next, or after `milliseconds`. */
  async change(id: string, milliseconds: number): Promise<void> {
    const timer = new AbortController();
    const waiters = this.#waiters.get(id) ?? new Set();
    this.#waiters.set(id, waiters);
    const wake = () => timer.abort();
    waiters.add(wake);
    try {
      await this.#clock.sleep(milliseconds, timer.signal);
    } catch (error) {
      if (!timer.signal.aborted) throw error;
    } finally {
      waiters.delete(wake);
      if (waiters.size === 0) this.#waiters.delete(id);
    }
  }
}
