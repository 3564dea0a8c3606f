import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import type { RegionParts } from "../../src/control/assemble-region.ts";
import type { RegionContext } from "../../src/control/region-context.ts";
import type { StoredLocation } from "../../src/control/tenant-data/locations.ts";
import { parseConfig } from "../../src/core/config/parse.ts";
import type { ConfigInput } from "../../src/core/config/schema.ts";
import { fault } from "../../src/core/error.ts";
import type { Isolation } from "../../src/core/tenant/tenant.ts";
import { hasEnded } from "../../src/core/workflow/state.ts";
import { createCache } from "../../src/embedded/cache.ts";
import { createDns } from "../../src/embedded/dns.ts";
import { createKeys } from "../../src/embedded/keys.ts";
import { createMail } from "../../src/embedded/mail.ts";
import { createObjects } from "../../src/embedded/objects.ts";
import { createQueues } from "../../src/embedded/queues.ts";
import { createWorkflows } from "../../src/embedded/workflows.ts";
import { createSystemClock, createSystemRandom } from "../../src/node/clock.ts";
import { createIntegrations } from "../../src/node/integrations.ts";
import type { DatabaseNode } from "../../src/ports/databases.ts";
import type { RegionPlatform } from "../../src/ports/platform.ts";
import type { WorkflowDefinition, WorkflowExecution, Workflows } from "../../src/ports/workflows.ts";
import { connect } from "../../src/postgres/connect.ts";
import { WriterPool } from "../../src/postgres/pool.ts";
import { databasesOn } from "./databases-on.ts";
import { migrationsOf } from "./migrations.ts";
import { openRegionContext } from "./region-context.ts";

/** What a program that works in a region of a test is told. */
export interface RegionProgramOptions {
  readonly node: DatabaseNode;
  readonly directoryDatabase: string;
  readonly regionDatabase: string;
  /** For keys and objects. */
  readonly folder: string;
  readonly config: ConfigInput;
  readonly slug: string;
}

/** What signs URLs of objects in these programs. */
export const signingKey = "a secret of the region";

/** A region with all ports that need no process of their own, on the test run's Postgres. */
export async function openRegionProgram(
  options: RegionProgramOptions,
  parts: Partial<Pick<RegionParts, "peer" | "seed">> & {
    readonly name: string;
    /** SQL of the application's one migration. */
    readonly tables: string;
    readonly recovery?: Partial<RegionPlatform["recovery"]>;
  },
): Promise<RegionContext & { readonly directoryPool: WriterPool }> {
  const config = parseConfig(options.config);
  const databases = databasesOn(options.node);
  const connection = {
    endpoint: { nodes: [options.node] },
    database: options.regionDatabase,
    credentials: await databases.administrator("shared-1"),
    applicationName: "program",
  };
  const pool = new WriterPool(connection);
  const directoryPool = new WriterPool({ ...connection, database: options.directoryDatabase });
  const [clock, random] = [createSystemClock(), createSystemRandom()];
  await mkdir(options.folder, { recursive: true });
  const keys = await createKeys({ file: join(options.folder, "keys.json"), random });
  const objects = await createObjects({ folder: join(options.folder, "objects"), signingKey, clock });
  const platform = {
    region: parts.name,
    ...{ clock, random, keys, databases, objects },
    cache: createCache({ pool }),
    queues: createQueues({ pool, clock }),
    mail: createMail({ pool, clock }),
    workflows: createWorkflows({ connection, name: options.slug, clock }),
    integrations: createIntegrations({ config: config.integrations, clock }),
    dns: createDns({ pool: directoryPool, zone: config.domain }),
    ...(parts.recovery && { recovery: parts.recovery }),
    // What is left out belongs to servers, which no such program has.
  } as unknown as RegionPlatform;
  const migrations = migrationsOf(parts.tables);
  const context = await openRegionContext({
    ...parts,
    ...{ config, platform, pool, directoryPool },
    migrations: () => migrations,
  });
  return { ...context, directoryPool };
}

/** Runs SQL with the tenant's own login, as an instance does; nothing where it has no place. */
export async function asTenant<Row>(
  { locations, platform }: RegionContext,
  slug: string,
  sql: string,
): Promise<Row[]> {
  const location = await locations.find(slug);
  if (!location) return [];
  const password = await locations.openPassword(location.appRole, location.appPassword);
  const client = await connect({
    endpoint: await platform.databases.endpoint(location.server),
    database: location.database,
    credentials: { user: location.appRole, password },
    applicationName: "tenant",
  });
  return client
    .query(sql)
    .then(({ rows }) => rows as Row[])
    .finally(() => client.end());
}

/** Points of a course that were passed, in the table `points`: the next process goes on behind them. */
export class Points {
  readonly #pool: WriterPool;
  readonly #slug: string;

  constructor(pool: WriterPool, slug: string) {
    this.#pool = pool;
    this.#slug = slug;
  }

  /** Nobody has passed it before. */
  async isNew(point: string): Promise<boolean> {
    const { rowCount } = await this.#pool.query("INSERT INTO points VALUES ($1, $2) ON CONFLICT DO NOTHING", [
      this.#slug,
      point,
    ]);
    return rowCount === 1;
  }

  /** Ends this process like a crash where nobody has passed before. */
  async dieOnce(point: string): Promise<void> {
    if (await this.isNew(point)) process.kill(process.pid, "SIGKILL");
  }

  /** The same workflow, with a death before and after each step's work, and around its undo. */
  deadly<Input>(
    definition: WorkflowDefinition<Input>,
    options: {
      /** Begins the points' names. */
      readonly prefix?: string;
      /** This step fails instead of working. */
      readonly failsAt?: string | undefined;
    } = {},
  ): WorkflowDefinition<Input> {
    const { prefix = "", failsAt } = options;
    const dieOnce = (point: string) => this.dieOnce(prefix + point);
    return {
      name: definition.name,
      steps: definition.steps.map((step) => {
        const { name, undo } = step;
        return {
          ...step,
          run: async (input, results) => {
            await dieOnce(`before ${name}`);
            if (name === failsAt) throw fault("E_QUOTA", "There is no room.");
            const result = await step.run(input, results);
            await dieOnce(`after ${name}`);
            return result;
          },
          ...(undo && {
            undo: async (input, results) => {
              await dieOnce(`before undo ${name}`);
              await undo(input, results);
              await dieOnce(`after undo ${name}`);
            },
          }),
        };
      }),
    };
  }
}

/** Places the tenant, with the tables of the region's release. */
export async function makeTenantData(
  context: RegionContext,
  { slug, isolation }: { readonly slug: string; readonly isolation: Isolation },
): Promise<StoredLocation> {
  const { directory, locations, tenantData } = context;
  const location = await locations.allocate({ slug, isolation, server: "shared-1", migrations: "m1" });
  await tenantData.create(location, "own");
  const schemaVersion = await tenantData.migrate(location, context.release().migrations);
  await directory.place(slug, { server: location.server, schemaVersion });
  return location;
}

/** The workflow as it is when it has ended. */
export async function untilEnded(workflows: Workflows, id: string): Promise<WorkflowExecution> {
  for (let seen = 0; ; ) {
    const execution = await workflows.waitForChange(id, seen, 10);
    if (execution && hasEnded(execution.state)) return execution;
    seen = execution?.history.length ?? 0;
  }
}

/** How a workflow ended, for whoever started the program. */
export interface SagaOutcome {
  readonly state: string;
  readonly error: string | null;
}

export function outcomeOf({ state, error }: WorkflowExecution): SagaOutcome {
  return { state, error: error?.message ?? null };
}

/** Starts the workflow unless a process before this one has, and waits for its end. */
export async function runToEnd<Input extends { readonly id: string }>(
  workflows: Workflows,
  workflow: string,
  input: Input,
): Promise<{ readonly outcome: SagaOutcome; readonly history: WorkflowExecution["history"] }> {
  await workflows.start(workflow, input.id, input);
  const execution = await untilEnded(workflows, input.id);
  return { outcome: outcomeOf(execution), history: execution.history };
}
