import { hasEnded } from "../../core/workflow/state.ts";
import type { Clock } from "../../ports/clock.ts";
import type { WorkflowExecution } from "../../ports/workflows.ts";

/** More than a region has under way at a time; what another process finished would otherwise stay here for good. */
const maxKnown = 1000;

/**
 * What this process learned of workflows by deciding about them. Another process may have decided since, so it is true
 * but perhaps not the newest.
 */
export class Followers {
  readonly #clock: Clock;
  readonly #known = new Map<string, WorkflowExecution>();
  readonly #waiting = new Map<string, Set<() => void>>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** The one of both that knows more: what this process learned, or what was read. */
  newest(id: string, read?: WorkflowExecution): WorkflowExecution | undefined {
    const known = this.#known.get(id);
    return known && (!read || isNewer(known, read)) ? known : read;
  }

  /** Shows an execution to all who wait for it. */
  publish(execution: WorkflowExecution): void {
    const { id } = execution;
    const known = this.#known.get(id);
    if (known && !isNewer(execution, known)) return;
    this.#known.delete(id);
    this.#known.set(id, execution);
    for (const wake of this.#waiting.get(id) ?? []) wake();
    // Those who wait run before the next turn of the event loop; the registry has what has ended.
    if (hasEnded(execution.state)) setImmediate(() => this.#known.delete(id));
    const [oldest] = this.#known.keys();
    if (this.#known.size > maxKnown && oldest !== undefined) this.#known.delete(oldest);
  }

  /** True when the execution is published next; false after `milliseconds` without that. */
  async change(id: string, milliseconds: number): Promise<boolean> {
    const published = new AbortController();
    const wake = () => published.abort();
    const waiting = this.#waiting.get(id) ?? new Set();
    this.#waiting.set(id, waiting.add(wake));
    try {
      await this.#clock.sleep(milliseconds, published.signal);
      return false;
    } catch (error) {
      if (!published.signal.aborted) throw error;
      return true;
    } finally {
      waiting.delete(wake);
      if (waiting.size === 0) this.#waiting.delete(id);
    }
  }
}

function isNewer(one: WorkflowExecution, other: WorkflowExecution): boolean {
  if (one.history.length !== other.history.length) return one.history.length > other.history.length;
  return hasEnded(one.state) && !hasEnded(other.state);
}
