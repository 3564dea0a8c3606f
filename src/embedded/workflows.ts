import { AsyncLocalStorage } from "node:async_hooks";
import { isDeepStrictEqual } from "node:util";
import { DBOS, Error as DbosErrors } from "@dbos-inc/dbos-sdk";
import { dbRetryConfig, INTERNAL_QUEUE_NAME } from "@dbos-inc/dbos-sdk/internal/utils";
import { registerInternalQueue } from "@dbos-inc/dbos-sdk/internal/wfqueue";
import { fault } from "../core/error.ts";
import { decide, planOf, type StepPlan, type WorkflowEvent } from "../core/workflow/decide.ts";
import { perform, toJson } from "../core/workflow/perform.ts";
import { hasEnded, stateOf } from "../core/workflow/state.ts";
import type { Clock } from "../ports/clock.ts";
import type { WorkflowDefinition, WorkflowExecution, Workflows } from "../ports/workflows.ts";
import { type ConnectOptions, isConnectionLoss } from "../postgres/connect.ts";
import { WriterPgPool } from "../postgres/pg-pool.ts";
import { Executions } from "./workflows/executions.ts";
import { readExecution, readExecutions } from "./workflows/records.ts";

export interface WorkflowsOptions {
  /** The region's control database; the history is kept there, in the schema `dbos`. */
  readonly connection: Pick<ConnectOptions, "endpoint" | "database" | "credentials">;
  /** The region: a process of the same name takes over what another one left behind. */
  readonly name: string;
  readonly clock: Clock;
  readonly log?: (entry: { readonly level: "info" | "warn" | "error"; readonly message: string }) => void;
}

/** Changes when histories that are under way could no longer be replayed. */
const recordFormat = "1";
const pollMilliseconds = 100;
/** What was interrupted waits in DBOS's own queue: when it is looked at first after a launch, and how often later. */
const recoveryPoll = { firstMilliseconds: 10, milliseconds: 1000 };
const rerunPauseMilliseconds = 1000;
const patienceMilliseconds = 10_000;
const stopGraceMilliseconds = 5000;
/** What ended just before the stop may still be about to record its outcome; what was interrupted never ends. */
const outcomeGraceMilliseconds = 250;

/** Sagas on DBOS. DBOS knows one engine per process: launch a second one only after the first was stopped. */
export function createWorkflows(options: WorkflowsOptions): Workflows {
  return new DbosWorkflows(options);
}

interface Registration {
  readonly definition: WorkflowDefinition<unknown>;
  readonly plan: StepPlan;
}

type Saga = (input: unknown, startedAt: string) => Promise<readonly WorkflowEvent[]>;

class DbosWorkflows implements Workflows {
  readonly #options: WorkflowsOptions;
  readonly #registrations = new Map<string, Registration>();
  readonly #sagas = new Map<string, Saga>();
  readonly #executions: Executions;
  readonly #stopping = new AbortController();
  readonly #steps = new Set<Promise<void>>();
  /** A workflow started from within a step would become that step's child; this is the context outside of all. */
  readonly #outside = AsyncLocalStorage.snapshot();
  #pool: WriterPgPool | undefined;

  constructor(options: WorkflowsOptions) {
    this.#options = options;
    this.#executions = new Executions(options.clock);
  }

  register<Input>(definition: WorkflowDefinition<Input>): void {
    if (this.#pool)
      throw fault("E_INTERNAL", `The workflow ${definition.name} was registered after the launch.`);
    // What was started under this name had this definition's input.
    const known = definition as WorkflowDefinition<unknown>;
    this.#registrations.set(definition.name, { definition: known, plan: planOf(definition.steps) });
  }

  async launch(): Promise<void> {
    if (DBOS.isInitialized()) throw fault("E_INTERNAL", "Another workflow engine runs in this process.");
    const { connection, name } = this.#options;
    const pool = new WriterPgPool({ ...connection, applicationName: `rowhouse workflows ${name}` });
    this.#pool = pool;
    try {
      await this.#outside(() => this.#launchOn(pool));
    } catch (cause) {
      await DBOS.shutdown({ deregister: true });
      await pool.end();
      this.#pool = undefined;
      throw isUnreachable(cause) ? fault("E_DATABASE_UNAVAILABLE", undefined, { cause }) : cause;
    }
  }

  async #launchOn(pool: WriterPgPool): Promise<void> {
    const { name, log } = this.#options;
    // A failover takes about a second; the default of DBOS is to ask again after up to a minute.
    Object.assign(dbRetryConfig, { initialBackoffSec: 0.1, maxBackoffSec: 2 });
    DBOS.setConfig({
      name,
      executorID: name,
      applicationVersion: `${name} ${recordFormat}`,
      systemDatabasePool: pool,
      useListenNotify: false,
      logger: dbosLogger(log ?? (() => {})),
    });
    for (const [workflow, registration] of this.#registrations) {
      const saga: Saga = (input, startedAt) => this.#run(registration, input, startedAt);
      // By default DBOS gives up a workflow after 100 crashes.
      const config = { name: workflow, maxRecoveryAttempts: 2 ** 31 - 2 };
      this.#sagas.set(workflow, DBOS.registerWorkflow(saga, config));
    }
    const interrupted = registerInternalQueue(INTERNAL_QUEUE_NAME, {
      minPollingIntervalMs: recoveryPoll.firstMilliseconds,
    });
    await DBOS.launch();
    interrupted.minPollingIntervalMs = recoveryPoll.milliseconds;
  }

  async start(workflow: string, id: string, input: unknown): Promise<void> {
    const saga = this.#sagas.get(workflow);
    if (!saga) throw fault("E_NOT_FOUND", `There is no workflow "${workflow}".`);
    const plainInput = toJson(input);
    const startedAt = this.#options.clock.now().toISOString();
    try {
      await this.#ask(() =>
        DBOS.startWorkflow(saga, { workflowID: id, workflowIDReusePolicy: "reject" })(plainInput, startedAt),
      );
    } catch (error) {
      if (!DbosErrors.isWorkflowIDInUseError(error)) throw error;
      const existing = await this.describe(id);
      if (existing?.workflow === workflow && isDeepStrictEqual(existing.input, plainInput)) return;
      throw fault("E_IDEMPOTENCY_KEY_REUSED", `The workflow ${id} was started with another input.`);
    }
  }

  async describe(id: string): Promise<WorkflowExecution | undefined> {
    return this.#executions.get(id) ?? this.#ask(() => readExecution(id, this.#planOf));
  }

  async waitForChange(
    id: string,
    seen: number,
    timeoutSeconds: number,
  ): Promise<WorkflowExecution | undefined> {
    const { clock } = this.#options;
    const deadline = clock.elapsedMilliseconds() + timeoutSeconds * 1000;
    for (;;) {
      const live = this.#executions.get(id);
      const current = live ?? (await this.describe(id));
      const left = deadline - clock.elapsedMilliseconds();
      if (!current || current.history.length > seen || hasEnded(current.state) || left <= 0) return current;
      await this.#executions.change(id, live ? left : Math.min(left, pollMilliseconds));
    }
  }

  list(options: {
    readonly workflow?: string;
    readonly limit?: number;
  }): Promise<readonly WorkflowExecution[]> {
    return this.#ask(() => readExecutions(options, this.#planOf));
  }

  async forget(id: string): Promise<void> {
    const execution = await this.describe(id);
    if (!execution) return;
    if (!hasEnded(execution.state)) throw fault("E_CONFLICT", `The workflow ${id} is under way.`);
    await this.#ask(() => DBOS.deleteWorkflow(id));
    this.#executions.forget(id);
  }

  async stop(): Promise<void> {
    if (!this.#pool || this.#stopping.signal.aborted) return;
    this.#stopping.abort();
    const grace = new AbortController();
    await Promise.race([
      Promise.allSettled(this.#steps),
      this.#options.clock.sleep(stopGraceMilliseconds, grace.signal).catch(() => {}),
    ]);
    grace.abort();
    await DBOS.shutdown({ deregister: true, workflowCompletionTimeoutMS: outcomeGraceMilliseconds });
    await this.#pool.end();
  }

  /** DBOS waits for an absent database without end, which is right for a workflow, but not for who asks about one. */
  async #ask<T>(work: () => Promise<T>): Promise<T> {
    const answered = new AbortController();
    const tooLate = this.#options.clock.sleep(patienceMilliseconds, answered.signal).then(() => {
      throw fault("E_DATABASE_UNAVAILABLE");
    });
    try {
      return await Promise.race([this.#outside(work), tooLate]);
    } finally {
      answered.abort();
      tooLate.catch(() => {});
    }
  }

  readonly #planOf = (workflow: string): StepPlan => this.#registrations.get(workflow)?.plan ?? [];

  /**
   * The one workflow function of DBOS, whatever the saga. DBOS replays it after a crash, so it does nothing but
   * what the history says. Its steps all have the same name: the event tells what was done, and a release that
   * changes a saga's steps still replays the sagas that were under way.
   *
   * Each event is committed, on the standby too, before the next action begins. To leave that out
   * (`synchronous_commit = off`) would save a third of the time, and isn't safe: after the loss of the last
   * records, a step that succeeded before may fail when it is repeated, and then nobody knows that the steps after
   * it ran, so nobody undoes them.
   */
  async #run({ definition, plan }: Registration, input: unknown, startedAt: string) {
    const id = DBOS.workflowID ?? "";
    const history: WorkflowEvent[] = [];
    const publish = () =>
      this.#executions.publish({
        id,
        workflow: definition.name,
        input,
        startedAt: new Date(startedAt),
        history: [...history],
        ...stateOf(plan, history),
      });
    let replaying = true;
    for (;;) {
      const action = decide(plan, history);
      if (action.type === "complete" || action.type === "fail") return history;
      const step = definition.steps.find(({ name }) => name === action.step);
      if (!step) throw fault("E_INTERNAL", `The workflow ${definition.name} has no step "${action.step}".`);
      const event = await this.#record(id, () => {
        // Only what is not yet recorded comes here: from now on this process knows more than the database.
        if (replaying) publish();
        replaying = false;
        return perform({ type: action.type, step, input, history }, this.#means(id, action));
      });
      history.push(event);
      if (!replaying) publish();
    }
  }

  #means(id: string, action: { readonly type: "run" | "undo"; readonly step: string }) {
    const { clock, log } = this.#options;
    return {
      pause: (seconds: number) => clock.sleep(seconds * 1000, this.#stopping.signal),
      onFailure: (thrown: unknown) =>
        log?.({ level: "error", message: `${id}: ${action.type} ${action.step}: ${describeError(thrown)}` }),
    };
  }

  /** The recorded event, or what `act` gives and is then recorded. Stands still for good when the engine stops. */
  async #record(id: string, act: () => Promise<WorkflowEvent>): Promise<WorkflowEvent> {
    if (this.#stopping.signal.aborted) return standStill();
    const { promise, resolve: finish } = Promise.withResolvers<void>();
    this.#steps.add(promise);
    // An action rejects only when the stop interrupts its pause; DBOS must not record that as its outcome.
    const actOrStandStill = () => act().catch(() => standStill(finish));
    try {
      return await DBOS.runStep(actOrStandStill, { name: "event" });
    } catch (error) {
      this.#executions.forget(id);
      if (error instanceof DbosErrors.DBOSWorkflowConflictError) throw error;
      if (error instanceof DbosErrors.DBOSWorkflowCancelledError) throw error;
      // The history can't be written just now. DBOS would end the workflow here; it is run again from its records.
      if (!this.#stopping.signal.aborted) this.#outside(() => void this.#runAgain(id, error));
      return standStill();
    } finally {
      finish();
      this.#steps.delete(promise);
    }
  }

  async #runAgain(id: string, cause: unknown): Promise<void> {
    const { clock, log } = this.#options;
    log?.({ level: "error", message: `${id}: could not be recorded: ${describeError(cause)}` });
    for (let resumed = false; !resumed && !this.#stopping.signal.aborted; ) {
      try {
        await clock.sleep(rerunPauseMilliseconds, this.#stopping.signal);
        await DBOS.resumeWorkflow(id);
        resumed = true;
      } catch (error) {
        if (!this.#stopping.signal.aborted)
          log?.({ level: "error", message: `${id}: ${describeError(error)}` });
      }
    }
  }
}

function standStill(beforehand?: () => void): Promise<never> {
  beforehand?.();
  return new Promise(() => {});
}

/** DBOS keeps what it was told of a failed launch in `error`, others in `cause`. */
function isUnreachable(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  return (
    isConnectionLoss(error) || isUnreachable(error.cause ?? ("error" in error ? error.error : undefined))
  );
}

function describeError(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}

function dbosLogger(log: NonNullable<WorkflowsOptions["log"]>) {
  const to = (level: "info" | "warn" | "error") => (entry: unknown) =>
    log({ level, message: describeError(entry) });
  return { debug: () => {}, info: to("info"), warn: to("warn"), error: to("error") };
}
