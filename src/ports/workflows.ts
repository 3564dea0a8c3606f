import type { WorkflowEvent } from "../core/workflow/decide.ts";
import type { RetryPolicy } from "../core/workflow/retry.ts";
import type { WorkflowOutcome } from "../core/workflow/state.ts";

/** One step. It may run more than once (a crash can come after its work and before its record): be idempotent. */
export interface WorkflowStep<Input> {
  readonly name: string;
  /** What the person who waits reads, as in "Creating the database". */
  readonly title: string;
  /** Returns JSON that later steps find in `results`. A UserError is never retried. */
  run(input: Input, results: Readonly<Record<string, unknown>>): Promise<unknown>;
  /** Takes back what `run` did, wholly or in part, or not at all. Idempotent too. */
  undo?(input: Input, results: Readonly<Record<string, unknown>>): Promise<void>;
  /**
   * It takes hold of what the other steps work on, as a slug. Its undo lets go: it waits until all others were undone,
   * and is not done after one that could not be.
   */
  readonly holds?: true;
  /** For `undo` too; by default 5 attempts, the first pause 0.2 s, each next one twice as long. */
  readonly retry?: RetryPolicy;
}

export interface WorkflowDefinition<Input> {
  readonly name: string;
  readonly steps: readonly WorkflowStep<Input>[];
}

/** Its state is `undoing` from the first failure until all is taken back; then `failed`. */
export interface WorkflowExecution extends WorkflowOutcome {
  readonly id: string;
  readonly workflow: string;
  readonly input: unknown;
  readonly history: readonly WorkflowEvent[];
  readonly startedAt: Date;
}

/**
 * Durable sagas: once `start` returned, the workflow reaches its end, whatever crashes. What is next is always
 * `decide(history)` of `core/workflow`. Where E_DATABASE_UNAVAILABLE is said, it is one of E_AWS_… on AWS.
 */
export interface Workflows {
  /** Must be called for every workflow before `launch`. */
  register<Input>(definition: WorkflowDefinition<Input>): void;
  /** Begins to work, and first resumes what a crash left behind. */
  launch(): Promise<void>;
  /**
   * Idempotent by id: the same id starts once. After E_DATABASE_UNAVAILABLE it may have started; ask again.
   * @throws E_IDEMPOTENCY_KEY_REUSED when the workflow or its input differs, E_NOT_FOUND, E_DATABASE_UNAVAILABLE
   */
  start(workflow: string, id: string, input: unknown): Promise<void>;
  /** `undefined` when no workflow was started under this id. @throws E_DATABASE_UNAVAILABLE */
  describe(id: string): Promise<WorkflowExecution | undefined>;
  /** Resolves when the history has grown past `seen` events or the workflow ended, or after `timeoutSeconds`. */
  waitForChange(id: string, seen: number, timeoutSeconds: number): Promise<WorkflowExecution | undefined>;
  /** Newest first. */
  list(options: {
    readonly workflow?: string;
    readonly limit?: number;
  }): Promise<readonly WorkflowExecution[]>;
  /**
   * Removes what is kept of a workflow that has ended: input, results, history. The id is unknown afterwards, and could
   * be started anew. Forgetting what is not known is no error.
   * @throws E_CONFLICT while it is under way, E_DATABASE_UNAVAILABLE
   */
  forget(id: string): Promise<void>;
  /** Stops working; what runs is resumed at the next launch. */
  stop(): Promise<void>;
}
