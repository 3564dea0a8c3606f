import { fault, fromErrorJson } from "../../core/error.ts";
import { admitMove } from "../../core/move/admit.ts";
import { hasEnded } from "../../core/workflow/state.ts";
import type { WorkflowExecution } from "../../ports/workflows.ts";
import { type AuditEntry, AuditTrail } from "../audit.ts";
import type { RegionContext } from "../region-context.ts";
import { TenantWorkflows } from "../tenant-workflows.ts";
import { type ArrivalControl, arrivalControl } from "./arrival.ts";
import { type MoveInput, moveId } from "./input.ts";
import { Moves } from "./moves.ts";
import { Pumps } from "./pumps.ts";
import { type MoveStatus, moveStatus } from "./status.ts";
import { Verification } from "./verification.ts";
import { moveWorkflow, moveWorkflowName } from "./workflow.ts";

/** Where a tenant is to live; what is left out stays. */
export interface MoveCommand {
  readonly slug: string;
  readonly region?: string;
  readonly plan?: string;
  /** What says that the customer agreed to another jurisdiction. */
  readonly consent?: string;
  /** Name of the operator. */
  readonly askedBy: string;
}

/** Moves of tenants that live in the region, and arrivals of those that come to it. */
export interface MoveControl extends ArrivalControl {
  /**
   * Durable: once it returned, the tenant ends up at one of both places, whatever crashes.
   * @throws E_TENANT_NOT_FOUND, E_TENANT_BUSY, and all that `admitMove` refuses
   */
  startMove(command: MoveCommand): Promise<MoveStatus>;
  /** `undefined` when no such move began in this region. */
  move(query: { readonly id: string }): Promise<MoveStatus | undefined>;
  /** The next status with more than `seen` events, or the same one after `timeoutSeconds`. */
  waitForMove(query: {
    readonly id: string;
    readonly seen: number;
    readonly timeoutSeconds: number;
  }): Promise<MoveStatus | undefined>;
  /** What this region keeps of decisions, oldest first: about one tenant, or about all. */
  audit(query: { readonly slug?: string }): Promise<readonly AuditEntry[]>;
}

/** How long one wait for a workflow's next event lasts before it is renewed. */
const waitSeconds = 20;

/**
 * Registers the move's workflow; call before the workflows are launched. `stop` ends what copies, which goes on at the
 * next start.
 */
export function createMoving(context: RegionContext): {
  readonly control: MoveControl;
  stop(): Promise<void>;
} {
  const { pool, platform, name } = context;
  const { workflows, clock } = platform;
  const pumps = new Pumps();
  const verification = new Verification();
  workflows.register(moveWorkflow({ context, pumps, verification }));
  const moves = new Moves({ pool, clock });
  const trail = new AuditTrail({ region: name, pool, clock });
  const describe = async (execution: WorkflowExecution | undefined) =>
    execution?.workflow === moveWorkflowName
      ? moveStatus(execution, await moves.find(execution.id))
      : undefined;
  const control: MoveControl = {
    ...arrivalControl(context),
    async startMove(command) {
      const input = await admit(context, command);
      await new TenantWorkflows({ pool, workflows, clock }).note(input.slug, input.id);
      await workflows.start(moveWorkflowName, input.id, input);
      const execution = await untilBegun(context, input.id);
      if (execution.error) throw fromErrorJson(execution.error);
      return moveStatus(execution, await moves.find(input.id));
    },
    move: async ({ id }) => describe(await workflows.describe(id)),
    waitForMove: async ({ id, seen, timeoutSeconds }) =>
      describe(await workflows.waitForChange(id, seen, timeoutSeconds)),
    audit: (query) => trail.audit(query),
  };
  return {
    control,
    stop: async () => {
      await pumps.stopAll();
      await verification.releaseAll();
    },
  };
}

/** Checked here too, before anything is begun, so that a refusal leaves no trace. */
async function admit(context: RegionContext, command: MoveCommand): Promise<MoveInput> {
  const { slug, consent, askedBy } = command;
  const entry = await context.directory.find(slug);
  if (!entry) throw fault("E_TENANT_NOT_FOUND", `There is no tenant "${slug}".`);
  const { region = entry.region, plan = entry.plan } = command;
  const said = consent === undefined ? {} : { consent };
  const running = await context.operations.find(slug);
  if (running) throw fault("E_TENANT_BUSY", `The tenant "${slug}" is taken by a ${running.kind}.`);
  admitMove(context.config, entry, { region, plan, ...said });
  if (region !== context.name) await context.peer(region).schemaTarget();
  const id = moveId(context.name, context.platform.random.uuid());
  return { id, slug, region, plan, askedBy, ...said };
}

/** Waits for the first two steps, which refuse what another one was faster with. */
async function untilBegun({ platform }: RegionContext, id: string): Promise<WorkflowExecution> {
  const isDecided = ({ history, state }: WorkflowExecution) => history.length >= 2 || hasEnded(state);
  for (let seen = 0; ; ) {
    const execution = await platform.workflows.waitForChange(id, seen, waitSeconds);
    if (!execution) throw fault("E_INTERNAL", `The workflow ${id} is not known.`);
    if (isDecided(execution)) return execution;
    seen = execution.history.length;
  }
}
