import { createHash } from "node:crypto";
import { join } from "node:path";
import { Directory } from "../../src/control/directory.ts";
import { arrivalControl } from "../../src/control/move/arrival.ts";
import { type MoveInput, moveId } from "../../src/control/move/input.ts";
import { Moves } from "../../src/control/move/moves.ts";
import { arrivalOf, leavingLocation, sourceOf } from "../../src/control/move/places.ts";
import { Pumps } from "../../src/control/move/pumps.ts";
import { sweepMoves } from "../../src/control/move/sweep.ts";
import { Verification } from "../../src/control/move/verification.ts";
import { moveWorkflow, moveWorkflowName } from "../../src/control/move/workflow.ts";
import type { RegionContext } from "../../src/control/region-context.ts";
import type { RegionControl } from "../../src/control/region-control.ts";
import { Relocation } from "../../src/control/relocation/relocation.ts";
import { sweepOperations } from "../../src/control/relocation/sweep.ts";
import { Administration } from "../../src/control/tenant-data/administration.ts";
import { Locations } from "../../src/control/tenant-data/locations.ts";
import { TenantData } from "../../src/control/tenant-data/tenant-data.ts";
import { TenantOperations } from "../../src/control/tenant-operation.ts";
import { parseConfig } from "../../src/core/config/parse.ts";
import type { ConfigInput } from "../../src/core/config/schema.ts";
import { fault } from "../../src/core/error.ts";
import { orderMigrations } from "../../src/core/migration/plan.ts";
import { tenantQueue } from "../../src/core/tenant/message.ts";
import { createCache } from "../../src/embedded/cache.ts";
import { createSystemClock, createSystemRandom } from "../../src/embedded/clock.ts";
import { createDns } from "../../src/embedded/dns.ts";
import { createKeys } from "../../src/embedded/keys.ts";
import { createMail } from "../../src/embedded/mail.ts";
import { createObjects } from "../../src/embedded/objects.ts";
import { createQueues } from "../../src/embedded/queues.ts";
import { ensureSigningKey } from "../../src/embedded/signing-key.ts";
import { createWorkflows } from "../../src/embedded/workflows.ts";
import type { Databases } from "../../src/ports/databases.ts";
import type { RegionPlatform } from "../../src/ports/platform.ts";
import { openPublication } from "../../src/postgres/logical/publication.ts";
import { connectForReplication, createSlot } from "../../src/postgres/logical/slot.ts";
import { WriterPool } from "../../src/postgres/pool.ts";

/**
 * A process that makes a tenant, or moves it to the end and prints the outcome. On the way it dies by SIGKILL at every
 * point before and after a step's work and its undo, each word to the other region, the freeze and the directory's row,
 * that no process before it has passed. Or it does what a move does before the hand-over and forgets it, as one does
 * whose undos all failed; or it sweeps both regions, and prints how many files each has.
 */
export interface MoveProcessOptions {
  readonly does: "make" | "move" | "abandon" | "sweep";
  readonly node: { readonly host: string; readonly port: number };
  readonly directoryDatabase: string;
  /** Control databases by region. */
  readonly regionDatabases: Readonly<Record<string, string>>;
  readonly folder: string;
  readonly config: ConfigInput;
  readonly tables: string;
  readonly slug: string;
  readonly from: { readonly region: string; readonly plan: string };
  readonly to: { readonly region: string; readonly plan: string };
  /** Tells this move of the tenant from its others. */
  readonly attempt: number;
  /** The directory refuses the new home. */
  readonly fails: boolean;
}

const options = JSON.parse(process.argv[2] ?? "") as MoveProcessOptions;
const config = parseConfig(options.config);
const endpoint = { nodes: [options.node] };
const administrator = { user: "postgres", password: "" };
const [clock, random] = [createSystemClock(), createSystemRandom()];
const server = { name: "shared-1", status: "available", primary: null, standby: null } as const;
const databases: Databases = {
  create: async () => {},
  endpoint: async () => endpoint,
  administrator: async () => administrator,
  describe: async () => server,
  list: async () => [server],
  failOver: async () => {},
  delete: async () => {},
};
const connection = (database: string) => ({
  endpoint,
  database,
  credentials: administrator,
  applicationName: "move",
});
const directoryPool = new WriterPool(connection(options.directoryDatabase));
const directory = new Directory(directoryPool);
const sha256 = createHash("sha256").update(options.tables).digest("hex");
const migrations = orderMigrations([{ file: "0001_tables.sql", sql: options.tables, sha256 }]);

async function openRegion(name: string): Promise<RegionContext> {
  const folder = join(options.folder, name);
  const database = options.regionDatabases[name] ?? "";
  const pool = new WriterPool(connection(database));
  const keys = await createKeys({ file: join(folder, "keys.json"), random });
  const objects = await createObjects({
    folder: join(folder, "objects"),
    signingKey: await ensureSigningKey(keys, join(folder, "signing-key.json")),
    clock,
  });
  const administration = new Administration(databases);
  const locations = new Locations({ pool, keys, random });
  const zones = ["a", "b"] as const;
  const tenantData = new TenantData({ databases, administration, locations, keys, regionPool: pool, zones });
  await tenantData.prepareSharedServer("shared-1");
  const connectionsOf = () => "own" as const;
  return {
    name,
    config,
    region: config.regions[name]!,
    platform: {
      ...{ region: name, clock, random, keys, databases, objects },
      ...{
        cache: createCache({ pool }),
        mail: createMail({ pool, clock }),
        queues: createQueues({ pool, clock }),
      },
      dns: createDns({ pool: directoryPool, zone: config.domain }),
      workflows: createWorkflows({ connection: connection(database), name: options.slug, clock }),
      // A move touches no other port.
    } as unknown as RegionPlatform,
    ...{ pool, directory, administration, locations, tenantData },
    operations: new TenantOperations(pool),
    relocation: new Relocation({ clock, pool, directory, administration, locations, connectionsOf }),
    peer: () => {
      throw new Error("Nobody is asked.");
    },
    release: () => ({ version: "v1", sha256: "", migrations, migrationsFingerprint: "m1" }),
    seed: async () => {},
    tenantUrl: (slug) => `http://${slug}.localhost/`,
  };
}

const regions = new Map<string, RegionContext>();
for (const name of Object.keys(options.regionDatabases)) regions.set(name, await openRegion(name));
const here = regions.get(options.from.region)!;

async function dieOnce(point: string): Promise<void> {
  const { rowCount } = await directoryPool.query(
    "INSERT INTO points VALUES ($1, $2) ON CONFLICT DO NOTHING",
    [options.slug, point],
  );
  if (rowCount === 1) process.kill(process.pid, "SIGKILL");
}

/** The same object, dying around these methods. */
function deadly<T extends object>(target: T, what: string, methods: readonly (keyof T & string)[]): T {
  return new Proxy(target, {
    get: (_, name) => {
      const method = Reflect.get(target, name) as unknown;
      if (typeof method !== "function") return method;
      const call = method.bind(target) as (...parameters: unknown[]) => unknown;
      if (!methods.includes(name as keyof T & string)) return call;
      return async (...parameters: unknown[]) => {
        await dieOnce(`before ${what} ${String(name)}`);
        const result = await call(...parameters);
        await dieOnce(`after ${what} ${String(name)}`);
        return result;
      };
    },
  });
}

async function make(): Promise<void> {
  const { slug, from } = options;
  const { isolation } = config.plans[from.plan]!;
  await directory.reserve({ slug, ...from, isolation, signupId: slug });
  const { locations, tenantData, pool } = here;
  const location = await locations.allocate({ slug, isolation, server: "shared-1", migrations: "m1" });
  await tenantData.create(location, "own");
  const schemaVersion = await tenantData.migrate(location, migrations);
  await directory.place(slug, { server: "shared-1", schemaVersion });
  await pool.query(
    "INSERT INTO profiles (slug, name, administrator_email, settings) VALUES ($1, $2, $3, $4)",
    [slug, `${slug} Ltd`, `ada@${slug}.example`, { colour: "red" }],
  );
  await pool.query("INSERT INTO administrators (slug, email) VALUES ($1, $2)", [slug, `ada@${slug}.example`]);
  for (const key of ["a", "b/c"])
    await here.platform.objects.put({ key: `tenants/${slug}/files/${key}`, body: Buffer.from(key) });
  await directory.apply(slug, "activate");
}

async function move(): Promise<object> {
  const { slug, to } = options;
  const arrivals = [
    "prepareArrival",
    "completeArrival",
    "revertArrival",
    "welcomeArrival",
    "endArrival",
  ] as const;
  const context: RegionContext = {
    ...here,
    relocation: deadly(here.relocation, "relocation", ["freeze", "thaw", "settle"]),
    peer: (region) =>
      deadly(arrivalControl(regions.get(region)!) as unknown as RegionControl, "arrival", [
        ...arrivals,
        "abandonArrival",
      ]),
  };
  if (options.fails) {
    const { relocation } = context;
    Object.assign(context, {
      relocation: new Proxy(relocation, {
        get: (_, name) =>
          name === "settle"
            ? () => Promise.reject(fault("E_MOVE_FAILED", "The directory wants no new home."))
            : Reflect.get(relocation, name),
      }),
    });
  }
  const definition = moveWorkflow({ context, pumps: new Pumps(), verification: new Verification() });
  const { workflows } = here.platform;
  workflows.register<MoveInput>({
    name: definition.name,
    steps: definition.steps.map((step) => {
      const { undo } = step;
      return {
        ...step,
        run: async (input, results) => {
          await dieOnce(`before ${step.name}`);
          const result = await step.run(input, results);
          await dieOnce(`after ${step.name}`);
          return result;
        },
        ...(undo && {
          undo: async (input, results) => {
            await dieOnce(`before undo ${step.name}`);
            await undo(input, results);
            await dieOnce(`after undo ${step.name}`);
          },
        }),
      };
    }),
  });
  await workflows.launch();
  const id = moveId(here.name, `${slug}-${options.attempt}`);
  await workflows.start(moveWorkflowName, id, { id, slug, ...to, askedBy: "tester" } satisfies MoveInput);
  for (let seen = 0; ; ) {
    const execution = await workflows.waitForChange(id, seen, 10);
    seen = execution?.history.length ?? 0;
    if (execution?.state !== "completed" && execution?.state !== "failed") continue;
    return { state: execution.state, error: execution.error?.message ?? null, history: execution.history };
  }
}

async function abandon(): Promise<void> {
  const { slug, to } = options;
  const id = moveId(here.name, `${slug}-abandoned`);
  const input: MoveInput = { id, slug, ...to, askedBy: "tester" };
  const context: RegionContext = {
    ...here,
    peer: (region) => arrivalControl(regions.get(region)!) as unknown as RegionControl,
  };
  await new Moves({ pool: here.pool, clock }).begin(id, slug, "active");
  await arrivalOf(context, input, 1);
  const source = await sourceOf(context, await leavingLocation(context, input));
  await openPublication(source);
  const replication = await connectForReplication(source);
  await createSlot(replication, source);
  await replication.end();
  await new Moves({ pool: here.pool, clock }).noteFrozen(id);
  await here.relocation.freeze(slug, "active");
}

async function sweep(): Promise<Record<string, number>> {
  const files: Record<string, number> = {};
  for (const [name, context] of regions) {
    // No controller knows of such a move any more.
    await context.platform.queues.ensure(tenantQueue, { visibilityTimeoutSeconds: 60, maxReceives: 5 });
    const peer = () => ({ move: async () => undefined }) as unknown as RegionControl;
    await sweepMoves({ ...context, peer });
    await sweepOperations({ ...context, peer });
    const listed = await context.platform.objects.list({ prefix: `tenants/${options.slug}/` });
    files[name] = listed.objects.length;
  }
  return files;
}

const work = { make, move, abandon, sweep }[options.does];
console.log(JSON.stringify((await work()) ?? {}));
process.exit();
