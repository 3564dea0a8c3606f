import { join } from "node:path";
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
import { sweepOperations } from "../../src/control/relocation/sweep.ts";
import { fault } from "../../src/core/error.ts";
import { tenantQueue } from "../../src/core/tenant/message.ts";
import { openPublication } from "../../src/postgres/logical/publication.ts";
import { connectForReplication, createSlot } from "../../src/postgres/logical/slot.ts";
import {
  makeTenantData,
  openRegionProgram,
  Points,
  type RegionProgramOptions,
  runToEnd,
} from "./region-program.ts";

/**
 * A process that makes a tenant, or moves it to the end and prints the outcome. On the way it dies by SIGKILL at every
 * point before and after a step's work and its undo, each word to the other region, the freeze and the directory's row,
 * that no process before it has passed. Or it does what a move does before the hand-over and forgets it, as one does
 * whose undos all failed; or it sweeps both regions, and prints how many files each has.
 */
export interface MoveProcessOptions extends Omit<RegionProgramOptions, "regionDatabase"> {
  readonly does: "make" | "move" | "abandon" | "sweep";
  /** Control databases by region. */
  readonly regionDatabases: Readonly<Record<string, string>>;
  readonly tables: string;
  readonly from: { readonly region: string; readonly plan: string };
  readonly to: { readonly region: string; readonly plan: string };
  /** Tells this move of the tenant from its others. */
  readonly attempt: number;
  /** The directory refuses the new home. */
  readonly fails: boolean;
}

const options = JSON.parse(process.argv[2] ?? "") as MoveProcessOptions;
const regions = new Map<string, Awaited<ReturnType<typeof openRegionProgram>>>();
for (const [name, regionDatabase] of Object.entries(options.regionDatabases)) {
  const program = { ...options, regionDatabase, folder: join(options.folder, name) };
  regions.set(name, await openRegionProgram(program, { name, tables: options.tables }));
}
const here = regions.get(options.from.region)!;
const { config, directory } = here;
const { clock } = here.platform;
const points = new Points(here.directoryPool, options.slug);

/** The same object, dying around these methods. */
function deadly<T extends object>(target: T, what: string, methods: readonly (keyof T & string)[]): T {
  return new Proxy(target, {
    get: (_, name) => {
      const method = Reflect.get(target, name) as unknown;
      if (typeof method !== "function") return method;
      const call = method.bind(target) as (...parameters: unknown[]) => unknown;
      if (!methods.includes(name as keyof T & string)) return call;
      return async (...parameters: unknown[]) => {
        await points.dieOnce(`before ${what} ${String(name)}`);
        const result = await call(...parameters);
        await points.dieOnce(`after ${what} ${String(name)}`);
        return result;
      };
    },
  });
}

async function make(): Promise<void> {
  const { slug, from } = options;
  const { isolation } = config.plans[from.plan]!;
  await directory.reserve({ slug, ...from, isolation, signupId: slug });
  await makeTenantData(here, { slug, isolation });
  const { pool } = here;
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
  workflows.register<MoveInput>(points.deadly(definition));
  await workflows.launch();
  const id = moveId(here.name, `${slug}-${options.attempt}`);
  const input = { id, slug, ...to, askedBy: "tester" };
  const { outcome, history } = await runToEnd<MoveInput>(workflows, moveWorkflowName, input);
  return { ...outcome, history };
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
