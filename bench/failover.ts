/**
 * How long a tenant's writes stand still when the primary of its database server is killed, hangs or hands over, at 500
 * writes a second through a tenant's pool; beside it the bare promotion of a Postgres standby.
 */
import { spawn } from "node:child_process";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import type { EmbeddedDatabases } from "../src/embedded/databases.ts";
import { findPostgres } from "../src/embedded/postgres/binaries.ts";
import { PostgresNode } from "../src/embedded/postgres/node.ts";
import { ConnectionBudget } from "../src/instance/pools/connection-budget.ts";
import { createLogin } from "../src/instance/pools/login.ts";
import { TenantPool } from "../src/instance/pools/tenant-pool.ts";
import { createSystemClock } from "../src/node/clock.ts";
import { connect } from "../src/postgres/connect.ts";
import { createMachine, type Machine, openPool, signalNode } from "../test/support/database-machine.ts";
import { type Figure, figure, median } from "./figure.ts";

const turns = 5;
const writesPerSecond = 500;
const name = "one";
/** The least that RDS Multi-AZ says of itself; it says 60 to 120 s. */
const rdsMilliseconds = 60_000;
const limitMilliseconds = 1000;

interface Outcome {
  /** The longest time from the fault on in which no write was acknowledged. */
  readonly standstillMilliseconds: number;
  readonly acknowledged: number;
  readonly lost: number;
}

export async function measureFailover(): Promise<Figure[]> {
  const machine = await createMachine();
  const databases = await machine.engine();
  await databases.create({ name, zones: ["a", "b"] });
  const watch = startWatch(machine);
  try {
    const killed = await measure(databases, (primary) => process.kill(primary, "SIGKILL"));
    const onPurpose = await measure(databases, () => watch.failOver());
    const hung = await measure(databases, (primary) => signalNode(primary, "SIGSTOP"));
    await untilWhole(databases);
    await watch.stop();
    const bare = await promoteBare(machine, databases);
    return [
      figure({ name: "bare promotion of a standby whose primary was killed", value: bare, unit: "ms" }),
      ...figures("primary killed", killed, limitMilliseconds),
      ...figures("primary handing over on purpose", onPurpose, limitMilliseconds),
      ...figures("primary hanging", hung, rdsMilliseconds),
    ];
  } finally {
    await watch.stop();
    await machine.dispose();
  }
}

/** In a process of its own, as the controller is: what the load costs must not delay it. */
function startWatch(machine: Machine): { failOver(): void; stop(): Promise<void> } {
  const program = fileURLToPath(new URL("failover-watch.ts", import.meta.url));
  const child = spawn(process.execPath, [program, machine.state.path, String(machine.shared.first)], {
    stdio: ["pipe", "inherit", "inherit"],
  });
  const ended = new Promise((resolve) => child.once("exit", resolve));
  return {
    failOver: () => void child.stdin.write("\n"),
    stop: async () => {
      child.stdin.end();
      await ended;
    },
  };
}

function figures(what: string, outcomes: readonly Outcome[], limit: number): Figure[] {
  const milliseconds = outcomes.map(({ standstillMilliseconds }) => standstillMilliseconds);
  const sum = (pick: (outcome: Outcome) => number) => outcomes.reduce((total, one) => total + pick(one), 0);
  const load = `${writesPerSecond} writes/s`;
  return [
    figure({
      name: `${what}, ${load}: until the first write, median of ${turns}`,
      value: median(milliseconds),
      unit: "ms",
      limit,
    }),
    figure({ name: "the same, the longest", value: Math.max(...milliseconds), unit: "ms", limit }),
    figure({
      name: `the same: lost of ${sum(({ acknowledged }) => acknowledged)} acknowledged`,
      value: sum(({ lost }) => lost),
      unit: "writes",
    }),
  ];
}

async function measure(databases: EmbeddedDatabases, fault: (primary: number) => void): Promise<Outcome[]> {
  const outcomes: Outcome[] = [];
  for (let turn = 0; turn < turns; turn++) {
    await untilWhole(databases);
    outcomes.push(await disturb(databases, fault));
  }
  return outcomes;
}

async function disturb(databases: EmbeddedDatabases, fault: (primary: number) => void): Promise<Outcome> {
  const clock = createSystemClock();
  const budget = new ConnectionBudget({
    endpoint: () => databases.endpoint(name),
    clock,
    applicationName: "bench",
    connections: 20,
  });
  const login = createLogin({
    ...{ server: name, database: "postgres", role: "writer", shared: false },
    credentials: await databases.administrator(name),
  });
  const target = { tenant: "bench", login };
  const pool = new TenantPool({ budget, target: () => target, refresh: async () => target });
  await pool.query("DROP TABLE IF EXISTS written");
  await pool.query("CREATE TABLE written (number int PRIMARY KEY)");
  const load = startLoad(pool);
  await pause(1000);
  const primary = (await databases.describe(name))?.primary?.pid;
  if (primary === undefined) throw new Error("The primary does not run.");
  const faultAt = performance.now();
  fault(primary);
  while ((await databases.describe(name))?.primary?.pid === primary) await pause(20);
  await untilWhole(databases);
  const answers = await load.stop();
  const { rows } = await pool.query<{ number: number }>("SELECT number FROM written");
  const found = new Set(rows.map(({ number }) => number));
  await budget.end();
  return {
    standstillMilliseconds: longestGap([
      faultAt,
      ...answers.map(({ at }) => at).filter((at) => at > faultAt),
    ]),
    acknowledged: answers.length,
    lost: answers.filter(({ number }) => !found.has(number)).length,
  };
}

interface Answer {
  readonly number: number;
  readonly at: number;
}

/** Sends writes at their time, whatever became of those before; none is repeated. */
function startLoad(pool: TenantPool): { stop(): Promise<readonly Answer[]> } {
  const answers: Answer[] = [];
  const underWay = new Set<Promise<void>>();
  const startedAt = performance.now();
  let sent = 0;
  const write = async (number: number): Promise<void> => {
    await pool.query("INSERT INTO written VALUES ($1)", [number]);
    answers.push({ number, at: performance.now() });
  };
  const timer = setInterval(() => {
    const due = ((performance.now() - startedAt) / 1000) * writesPerSecond;
    for (; sent < due; sent++) {
      const writing: Promise<void> = write(sent)
        .catch(() => {})
        .finally(() => underWay.delete(writing));
      underWay.add(writing);
    }
  }, 2);
  return {
    async stop() {
      clearInterval(timer);
      await Promise.all(underWay);
      return answers;
    },
  };
}

function longestGap(times: readonly number[]): number {
  return Math.max(...times.slice(1).map((time, index) => time - (times[index] ?? time)));
}

/** The same standby, promoted by its trigger file the moment its primary is dead, until it takes a write. */
async function promoteBare(machine: Machine, databases: EmbeddedDatabases): Promise<number> {
  const pool = await openPool(databases, name);
  await pool.query("CREATE TABLE bare (number int)");
  await pool.end();
  const status = await databases.describe(name);
  const { primary, standby } = status ?? {};
  if (!primary?.pid || !standby) throw new Error("There is no pair.");
  const binaries = await findPostgres();
  const nodeOf = (zone: string, port: number) =>
    new PostgresNode({
      ...{ processName: `here.postgres.${name}.${zone}`, labels: {}, zone, host: "127.0.0.1", port },
      ...{ dataFolder: join(machine.folder, name, zone), logFile: "", processes: machine.table, binaries },
      clock: createSystemClock(),
    });
  const node = nodeOf(standby.zone, standby.port);
  const credentials = await databases.administrator(name);
  process.kill(primary.pid, "SIGKILL");
  const startedAt = performance.now();
  await nodeOf(primary.zone, primary.port).fence();
  await node.promote();
  for (;;) {
    const client = await connect({
      ...{ endpoint: { nodes: [standby] }, database: "postgres", credentials, applicationName: "bench" },
    }).catch(() => undefined);
    if (client) {
      await client.query("INSERT INTO bare VALUES (1)");
      const milliseconds = performance.now() - startedAt;
      await client.end();
      return milliseconds;
    }
    await pause(2);
  }
}

async function untilWhole(databases: EmbeddedDatabases): Promise<void> {
  while ((await databases.describe(name))?.status !== "available") await pause(20);
}
