import { setTimeout as pause } from "node:timers/promises";
import type { MigrateDocument } from "../../../src/control/migration/run.ts";
import type { TenantDocument } from "../../../src/control/tenant-document.ts";
import { processesOf } from "../../support/processes-of.ts";
import { check, type Mismatch } from "./checker.ts";
import { faults, type Perform } from "./faults.ts";
import { type LoadFigures, startLoad, writeOnce } from "./load.ts";
import { alone, bringUp, type Stage, until } from "./operate.ts";
import { fleetOperations, tenantOperations } from "./operations.ts";
import { type ActionKind, type Lane, planActions } from "./plan.ts";
import { type Done, describeAction, describeRun } from "./report.ts";
import { createWorld, type World } from "./world.ts";

export interface ChaosOptions {
  readonly seed: number;
  readonly seconds: number;
  /** Goes on beyond its seconds until so many were done: a slow machine needs longer for as much. */
  readonly leastActions?: number | undefined;
  readonly tenants: number;
  /** By default that of a block of ports that nobody else takes. */
  readonly basePort?: number | undefined;
  readonly kinds: readonly ActionKind[];
  readonly print: (line: string) => void;
}

export interface ChaosResult {
  readonly acknowledged: number;
  readonly actions: readonly Done[];
  /** Everything that is not as it should be, one sentence each; empty when all is well. */
  readonly wrong: readonly string[];
}

const performers: Readonly<Record<ActionKind, Perform>> = {
  ...faults,
  ...fleetOperations,
  ...tenantOperations,
};

/**
 * Starts a system, writes to all its tenants while everything that can happen to it happens in an order of chance, and
 * compares at the end what is there with what was acknowledged.
 */
export async function runChaos(options: ChaosOptions): Promise<ChaosResult> {
  const { print } = options;
  print(`seed ${options.seed}: starting a system with ${options.tenants} tenants`);
  const world = await createWorld(options);
  const problems: string[] = [];
  try {
    const load = startLoad(world);
    const stage: Stage = { world, figures: load.figures, supervisor: { tail: Promise.resolve() } };
    const actions: Done[] = [];
    const endsAt = world.now() + options.seconds * 1000;
    const slugs = world.tenants.map(({ slug }) => slug);
    const lanes = planActions({ ...options, slugs });
    const isOver = () => world.now() > endsAt && actions.length >= (options.leastActions ?? 0);
    await Promise.all(lanes.map((lane) => perform(stage, lane, { isOver, actions, print })));
    problems.push(
      ...actions.filter(({ isBroken }) => isBroken).map(({ kind, detail }) => `${kind}: ${detail}`),
    );
    problems.push(...(await quiesce(stage, () => load.stop(), print)));
    const result = await judge({ world, figures: load.figures, actions, problems, options });
    if (result.wrong.length > 0) print(`FAULTS THAT NOBODY FORESAW\n${(await unforeseen(world)).join("\n")}`);
    return result;
  } finally {
    await world.dispose();
    const left = process.platform === "linux" ? await processesOf(world.system.stateDirectory) : [];
    if (left.length > 0) print(`PROBLEM processes are left: ${left.join(", ")}`);
  }
}

/** What the processes wrote with a trace, each trace once. */
async function unforeseen({ system }: World): Promise<string[]> {
  const { stdout } = await system.cli("logs", "--json");
  type Entry = { source: string; time: string; level?: string; stack?: string; error?: { stack?: string } };
  const entries = JSON.parse(stdout) as Entry[];
  const firsts = new Map<string, Entry>();
  for (const entry of entries.toReversed()) {
    const trace = entry.stack ?? entry.error?.stack;
    if (entry.level === "error" && trace !== undefined) firsts.set(trace, entry);
  }
  return [...firsts].map(([trace, { time, source }]) => `${time} ${source}: ${trace}`);
}

async function perform(
  stage: Stage,
  lane: Lane,
  run: { readonly isOver: () => boolean; readonly actions: Done[]; readonly print: (line: string) => void },
): Promise<void> {
  const { world } = stage;
  for (const action of lane.actions) {
    await pause(action.pauseMilliseconds);
    if (run.isOver()) return;
    const from = world.now();
    const told = await performers[action.kind](stage, action).then(
      (detail) => ({ detail, isBroken: false }),
      (error: unknown) => ({
        detail: error instanceof Error ? error.message : String(error),
        isBroken: true,
      }),
    );
    const detail = action.slug === undefined ? told.detail : `${action.slug}: ${told.detail}`;
    const done: Done = { ...told, detail, lane: lane.name, kind: action.kind, from, to: world.now() };
    run.actions.push(done);
    run.print(describeAction(done));
  }
}

/** Lets the system come to rest, and ends the load; says what does not come to rest. */
async function quiesce(
  stage: Stage,
  stopLoad: () => Promise<void>,
  print: (line: string) => void,
): Promise<string[]> {
  const { world, figures } = stage;
  const problems: string[] = [];
  const settle = async (what: string, work: () => Promise<unknown>) => {
    const from = world.now();
    await work().catch((error: unknown) => problems.push(`${what}: ${(error as Error).message}`));
    print(
      `${(from / 1000).toFixed(1).padStart(6)} s ${((world.now() - from) / 1000).toFixed(1).padStart(6)} s  ${what}`,
    );
  };
  await settle("the supervisor runs", () => alone(stage, () => bringUp(stage)));
  await settle("every region is ready", () =>
    until("ready", async () =>
      (await world.system.status()).regions.every(({ status }) => status === "ready"),
    ),
  );
  await settle("every tenant has the newest schema", () =>
    until("migrated", async () => {
      const run = await world.system.json<MigrateDocument>("migrate", "run");
      return run.failed.length + run.later.length === 0 && run.stopped === null;
    }),
  );
  await settle("every tenant takes one write more", () =>
    Promise.all(world.tenants.map((one) => until(one.slug, () => writeOnce(world, one, figures)))),
  );
  await stopLoad();
  await settle("every tenant is active, and nothing is done to it", async () => {
    for (const { slug } of [...world.tenants, ...world.copies]) {
      const { state, operation } = await world.system.json<TenantDocument>("tenant", "show", slug);
      if (state !== "active" || operation) problems.push(`${slug} is ${state}, ${JSON.stringify(operation)}`);
    }
  });
  return problems;
}

async function judge(run: {
  readonly world: World;
  readonly figures: LoadFigures;
  readonly actions: readonly Done[];
  readonly problems: string[];
  readonly options: ChaosOptions;
}): Promise<ChaosResult> {
  const { world, figures, actions, problems, options } = run;
  const migrated = world.migrationTitles.map((title) => ({ title, expected: "present" as const }));
  const mismatches: Mismatch[] = [];
  const tenants: Parameters<typeof describeRun>[0]["tenants"][number][] = [];
  const whole = [
    ...world.tenants.map((one) => ({ ...one, writer: one.slug, expectations: one.ledger.expectations() })),
    ...world.copies.map(({ slug, of, backup }) => ({
      slug,
      writer: of.slug,
      acknowledgedAt: [],
      suspensions: [],
      expectations: of.ledger.expectationsOfCopy(backup),
    })),
  ];
  for (const { slug, writer, acknowledgedAt, suspensions, expectations } of whole) {
    const rows = await until(`all rows of ${slug}`, () => world.rowsOf(slug)).catch((error: Error) => {
      problems.push(error.message);
      return [];
    });
    mismatches.push(...check({ slug, writer, expectations: [...expectations, ...migrated], rows }));
    tenants.push({ slug, acknowledgedAt, suspensions, rows: rows.length });
  }
  options.print(
    describeRun({
      seed: options.seed,
      actions,
      tenants,
      figures,
      mismatches,
      problems,
    }),
  );
  const wrong = [
    ...mismatches.map(({ slug, problem, title, detail }) => `${slug}: ${problem} ${title}: ${detail}`),
    ...figures.unseen.map((what) => `not shown: ${what}`),
    ...problems,
  ];
  return { acknowledged: figures.acknowledged, actions, wrong };
}
