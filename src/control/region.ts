import { createHash } from "node:crypto";
import { fault } from "../core/error.ts";
import type { TenantEvent } from "../core/tenant/lifecycle.ts";
import type { TenantProfile } from "../core/tenant/tenant.ts";
import type { MailRecord } from "../ports/mail.ts";
import type { WorkflowExecution } from "../ports/workflows.ts";
import { catalogueOf } from "./backup/source.ts";
import { copyEntries } from "./directory.ts";
import type { FleetKeeper } from "./fleet/fleet-keeper.ts";
import { migrateTenants, type TenantMigration } from "./migration/migrate-tenants.ts";
import { planOf, type RegionContext } from "./region-context.ts";
import type {
  RegionCore,
  RegionStatus,
  SignupInput,
  SignupStatus,
  TenantOperationDocument,
} from "./region-control.ts";
import { signupStatus } from "./signup/status.ts";
import { type SignupWorkflowInput, signupWorkflow, signupWorkflowName } from "./signup/workflow.ts";
import type { Spares } from "./tenant-data/spares.ts";
import { TenantWorkflows } from "./tenant-workflows.ts";

interface ProfileRow {
  slug: string;
  name: string;
  administrator_email: string;
  settings: Record<string, unknown>;
}

/** How long one wait for a workflow's next event lasts before it is renewed. */
const waitSeconds = 20;

/** The control plane's use cases in one region. */
export class Region implements RegionCore {
  readonly #context: RegionContext;
  readonly #fleet: FleetKeeper;
  readonly #spares: Spares;

  constructor(parts: {
    readonly context: RegionContext;
    readonly fleet: FleetKeeper;
    readonly spares: Spares;
  }) {
    this.#context = parts.context;
    this.#fleet = parts.fleet;
    this.#spares = parts.spares;
    const { workflows } = parts.context.platform;
    workflows.register(signupWorkflow(parts.context));
  }

  async startSignup({
    input,
    idempotencyKey,
  }: {
    input: SignupInput;
    idempotencyKey?: string;
  }): Promise<SignupStatus> {
    planOf(this.#context.config, input.plan);
    this.#context.release();
    this.#spares.noteSignup();
    const id = `${this.#context.name}.${idempotencyKey === undefined ? this.#context.platform.random.uuid() : digest(idempotencyKey)}`;
    const { workflows } = this.#context.platform;
    await new TenantWorkflows({ ...this.#context.platform, pool: this.#context.pool }).note(input.slug, id);
    await workflows.start(signupWorkflowName, id, { ...input, id } satisfies SignupWorkflowInput);
    // The first event says whether the slug was free.
    const execution = await this.#untilChange(id, 0);
    void this.#spares.refill().catch(() => {});
    if (execution.error && isRefusal(execution)) throw fault(execution.error.code, reasonOf(execution.error));
    return signupStatus(this.#context.name, execution);
  }

  async signup({ id }: { id: string }): Promise<SignupStatus | undefined> {
    const execution = await this.#context.platform.workflows.describe(id);
    return execution?.workflow === signupWorkflowName
      ? signupStatus(this.#context.name, execution)
      : undefined;
  }

  async waitForSignup(query: {
    id: string;
    seen: number;
    timeoutSeconds: number;
  }): Promise<SignupStatus | undefined> {
    const { workflows } = this.#context.platform;
    const execution = await workflows.waitForChange(query.id, query.seen, query.timeoutSeconds);
    return execution && signupStatus(this.#context.name, execution);
  }

  async profile({ slug }: { slug: string }): Promise<TenantProfile | undefined> {
    const { rows } = await this.#context.pool.query<ProfileRow>("SELECT * FROM profiles WHERE slug = $1", [
      slug,
    ]);
    return rows[0] && toProfile(rows[0]);
  }

  async profiles(): Promise<readonly TenantProfile[]> {
    const { rows } = await this.#context.pool.query<ProfileRow>("SELECT * FROM profiles ORDER BY slug");
    return rows.map(toProfile);
  }

  async operation({ slug }: { slug: string }): Promise<TenantOperationDocument | undefined> {
    const found = await this.#context.operations.find(slug);
    return found && { kind: found.kind, startedAt: found.startedAt.toISOString() };
  }

  suspend({ slug }: { slug: string }): Promise<void> {
    return this.#apply(slug, "suspend");
  }

  resume({ slug }: { slug: string }): Promise<void> {
    return this.#apply(slug, "resume");
  }

  migrate(command: { slugs: readonly string[]; concurrency: number }): Promise<readonly TenantMigration[]> {
    return migrateTenants(this.#context, command);
  }

  async schemaTarget(): Promise<{ version: number }> {
    return { version: this.#context.release().migrations.at(-1)?.number ?? 0 };
  }

  outbox(query: { tenant?: string; limit?: number }): Promise<readonly MailRecord[]> {
    return this.#context.platform.mail.outbox(query);
  }

  async status(): Promise<RegionStatus> {
    const { platform, config, region, name } = this.#context;
    const [databases, balancer, instances, backupProblems] = await Promise.all([
      platform.databases.list(),
      platform.balancer.describe(),
      this.#fleet.status(),
      // A region whose control database is away is described all the same.
      catalogueOf(this.#context)
        .problems()
        .catch(() => []),
    ]);
    const healthy = instances.filter((instance) => instance.health === "healthy").length;
    const whole =
      healthy >= this.#fleet.desired && databases.every((server) => server.status === "available");
    const { min, max } = config.fleets.app;
    return {
      name,
      jurisdiction: region.jurisdiction,
      status: whole ? "ready" : healthy > 0 ? "degraded" : "starting",
      problem: this.#fleet.problem,
      controller: { pid: process.pid },
      balancer: { url: balancer.url, pid: balancer.pid ?? null },
      databases,
      fleets: [{ name: "app", min, max, desired: this.#fleet.desired, instances }],
      backupProblems,
    };
  }

  async #apply(slug: string, event: TenantEvent): Promise<void> {
    await copyEntries(this.#context.pool, [await this.#context.directory.apply(slug, event)]);
  }

  async #untilChange(id: string, seen: number): Promise<WorkflowExecution> {
    for (;;) {
      const execution = await this.#context.platform.workflows.waitForChange(id, seen, waitSeconds);
      if (!execution) throw fault("E_INTERNAL", `The workflow ${id} is not known.`);
      if (execution.history.length > seen || execution.state === "completed" || execution.state === "failed")
        return execution;
    }
  }
}

/** The very first step failed: nothing was begun, and the caller gets the reason itself. */
function isRefusal(execution: WorkflowExecution): boolean {
  return execution.history[0]?.type === "stepFailed";
}

function reasonOf(error: { readonly message: string; readonly remedy: string }): string {
  return error.message.endsWith(error.remedy)
    ? error.message.slice(0, -error.remedy.length).trimEnd()
    : error.message;
}

function digest(text: string): string {
  return createHash("sha256").update(text).digest("hex").slice(0, 32);
}

function toProfile(row: ProfileRow): TenantProfile {
  return {
    slug: row.slug,
    name: row.name,
    administratorEmail: row.administrator_email,
    settings: row.settings,
  };
}
