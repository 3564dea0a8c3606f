import { hostname } from "node:os";
import { isDeepStrictEqual } from "node:util";
import { StartWorkflowExecutionCommand, type SWFClient } from "@aws-sdk/client-swf";
import { fault } from "../core/error.ts";
import { planOf } from "../core/workflow/decide.ts";
import { toJson } from "../core/workflow/perform.ts";
import { hasEnded } from "../core/workflow/state.ts";
import type { Clock } from "../ports/clock.ts";
import type { Keys } from "../ports/keys.ts";
import type { Registry } from "../ports/registry.ts";
import type { WorkflowDefinition, WorkflowExecution, Workflows } from "../ports/workflows.ts";
import { isAwsError } from "./fault.ts";
import { answerDecision, pollForDecision } from "./workflows/decider.ts";
import type { Engine, Registration } from "./workflows/engine.ts";
import { readExecution } from "./workflows/execution.ts";
import { Followers } from "./workflows/followers.ts";
import { listExecutions } from "./workflows/listing.ts";
import { Poller } from "./workflows/poller.ts";
import { type WorkflowRecord, WorkflowRecords } from "./workflows/records.ts";
import { ensureRegistered, workflowTypeOf } from "./workflows/registration.ts";
import { answerAction, pollForAction } from "./workflows/worker.ts";
import { toSwfId } from "./workflows/workflow-id.ts";

export interface WorkflowsOptions {
  readonly client: SWFClient;
  /** SWF domain; made at the launch. */
  readonly domain: string;
  /** The region, and the task list: all processes of this name share the work. */
  readonly name: string;
  /** Keeps which ids were started, and what has ended. */
  readonly registry: Registry;
  /** Seals what workflows are told and what their steps return. */
  readonly keys: Keys;
  readonly clock: Clock;
  readonly log?: (entry: { readonly level: "info" | "warn" | "error"; readonly message: string }) => void;
  /** After how long without a sign of life a step is begun anew elsewhere. Default: 30. */
  readonly heartbeatTimeoutSeconds?: number;
}

/** SWF's longest, and its hard limit. */
const executionTimeoutSeconds = 31_536_000;
/** A decision takes milliseconds: after this its process is gone. */
const decisionTimeoutSeconds = 10;
const decisionsAtATime = 20;
const actionsAtATime = 100;
const stopGraceMilliseconds = 5000;
const claimPollMilliseconds = 50;
const claimPatienceMilliseconds = 10_000;
const firstChangePollMilliseconds = 200;
const longestChangePollMilliseconds = 3000;

/**
 * Sagas on SWF. A decider turns SWF's history into the saga's own and asks `decide` what is next; each action is an
 * activity task. Who was told what, and what has ended, is in the registry for good; the course of what runs is in SWF.
 *
 * SWF forgets an id once its run has ended, and would start it again. So the id's record in the registry names the one
 * run that works for it: of several, which a race or a crash between two calls may leave, one alone is ever decided
 * about, and the others cancel themselves before their first step.
 *
 * SWF takes no key of the customer's and shows inputs and results to whoever may look at its console; everything that a
 * workflow is told or returns is sealed. Ids and the names of steps are in clear.
 *
 * Needs of SWF: the poll, respond, heartbeat, start, register, describe, undeprecate and list calls on the domain, and
 * `swf:GetWorkflowExecutionHistory`.
 */
export function createWorkflows(options: WorkflowsOptions): Workflows {
  return new SwfWorkflows(options);
}

class SwfWorkflows implements Workflows {
  readonly #engine: Engine;
  readonly #registrations = new Map<string, Registration>();
  readonly #stopping = new AbortController();
  readonly #decider: Poller<NonNullable<Awaited<ReturnType<typeof pollForDecision>>>>;
  readonly #worker: Poller<NonNullable<Awaited<ReturnType<typeof pollForAction>>>>;
  #launched = false;

  constructor(options: WorkflowsOptions) {
    const { client, domain, name, clock, log = () => {}, heartbeatTimeoutSeconds = 30 } = options;
    const engine: Engine = {
      client,
      domain,
      taskList: { name },
      identity: `${name} ${hostname()} ${process.pid}`,
      heartbeatTimeoutSeconds,
      clock,
      log,
      registrations: this.#registrations,
      records: new WorkflowRecords(options),
      followers: new Followers(clock),
    };
    this.#engine = engine;
    this.#decider = new Poller({
      poll: (signal) => pollForDecision(engine, signal),
      handle: async (task) => {
        if ((await answerDecision(engine, task)).length > 0) this.#worker.nudge();
      },
      concurrency: decisionsAtATime,
      clock,
      log,
    });
    this.#worker = new Poller({
      poll: (signal) => pollForAction(engine, signal),
      handle: async (task) => {
        await answerAction(engine, task, this.#stopping.signal);
        this.#decider.nudge();
      },
      concurrency: actionsAtATime,
      clock,
      log,
    });
  }

  register<Input>(definition: WorkflowDefinition<Input>): void {
    if (this.#launched)
      throw fault("E_INTERNAL", `The workflow ${definition.name} was registered after the launch.`);
    // What was started under this name had this definition's input.
    const known = definition as WorkflowDefinition<unknown>;
    this.#registrations.set(definition.name, { definition: known, plan: planOf(definition.steps) });
  }

  async launch(): Promise<void> {
    if (this.#launched) throw fault("E_INTERNAL", "The workflow engine was launched before.");
    const { client, domain } = this.#engine;
    await ensureRegistered(client, domain, this.#registrations.keys());
    this.#launched = true;
    this.#decider.start();
    this.#worker.start();
  }

  async start(workflow: string, id: string, input: unknown): Promise<void> {
    if (!this.#registrations.has(workflow)) throw fault("E_NOT_FOUND", `There is no workflow "${workflow}".`);
    const workflowId = toSwfId(id);
    const { records, clock } = this.#engine;
    const plainInput = toJson(input);
    const record = await records.create(id, { workflow, input: plainInput, startedAt: clock.now() });
    if (record.workflow !== workflow || !isDeepStrictEqual(record.input, plainInput))
      throw fault("E_IDEMPOTENCY_KEY_REUSED", `The workflow ${id} was started with another input.`);
    // Without a run, whoever made the record may have died before the next line.
    if (record.runId === undefined) await this.#begin(record, workflowId);
    this.#decider.nudge();
  }

  describe(id: string): Promise<WorkflowExecution | undefined> {
    return this.#read(id);
  }

  async waitForChange(
    id: string,
    seen: number,
    timeoutSeconds: number,
  ): Promise<WorkflowExecution | undefined> {
    const { clock, followers } = this.#engine;
    const deadline = clock.elapsedMilliseconds() + timeoutSeconds * 1000;
    const isChange = ({ history, state }: WorkflowExecution) => history.length > seen || hasEnded(state);
    let isTold = true;
    for (let pause = firstChangePollMilliseconds; ; pause *= 1.5) {
      const left = deadline - clock.elapsedMilliseconds();
      const known = followers.newest(id);
      if (known && isChange(known)) return known;
      // SWF's rate limit for histories is for all followers together: it is not asked while this process is told.
      const current = known && isTold && left > 0 ? known : await this.#read(id);
      if (!current || isChange(current) || left <= 0) return current;
      isTold = await followers.change(id, Math.min(left, pause, longestChangePollMilliseconds));
    }
  }

  list(options: {
    readonly workflow?: string;
    readonly limit?: number;
  }): Promise<readonly WorkflowExecution[]> {
    return listExecutions(this.#engine, options);
  }

  /**
   * With the record goes the only copy of the workflow's data key: what SWF keeps of its course for the retention period
   * can't be opened by anyone any more.
   */
  async forget(id: string): Promise<void> {
    const execution = await this.#read(id);
    if (execution && !hasEnded(execution.state))
      throw fault("E_CONFLICT", `The workflow ${id} is under way.`);
    await this.#engine.records.remove(id);
  }

  async stop(): Promise<void> {
    if (this.#stopping.signal.aborted) return;
    this.#stopping.abort();
    const grace = new AbortController();
    await Promise.race([
      Promise.all([this.#decider.stop(), this.#worker.stop()]),
      this.#engine.clock.sleep(stopGraceMilliseconds, grace.signal).catch(() => {}),
    ]);
    grace.abort();
  }

  async #read(id: string): Promise<WorkflowExecution | undefined> {
    return this.#engine.followers.newest(id, await readExecution(this.#engine, id));
  }

  async #begin({ id, workflow }: WorkflowRecord, workflowId: string): Promise<void> {
    const { client, domain, taskList, records } = this.#engine;
    const command = new StartWorkflowExecutionCommand({
      domain,
      workflowId,
      workflowType: workflowTypeOf(workflow),
      taskList,
      executionStartToCloseTimeout: String(executionTimeoutSeconds),
      taskStartToCloseTimeout: String(decisionTimeoutSeconds),
      childPolicy: "TERMINATE",
    });
    try {
      const { runId = "" } = await client.send(command);
      await records.claim(id, runId);
    } catch (error) {
      if (!isAwsError(error, "WorkflowExecutionAlreadyStartedFault")) throw error;
      await this.#untilClaimed(id);
    }
  }

  /** Another one has started it just now, and it or the decider is about to say so. */
  async #untilClaimed(id: string): Promise<void> {
    const { clock, records } = this.#engine;
    const deadline = clock.elapsedMilliseconds() + claimPatienceMilliseconds;
    while ((await records.find(id))?.runId === undefined) {
      if (clock.elapsedMilliseconds() > deadline)
        throw fault("E_AWS_UNAVAILABLE", `The workflow ${id} was started, and nobody works on it yet.`);
      await clock.sleep(claimPollMilliseconds);
    }
  }
}
