import { execFileSync } from "node:child_process";
import { randomInt } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { createDatabases, type EmbeddedDatabases } from "../../src/embedded/databases.ts";
import { createKeys } from "../../src/embedded/keys.ts";
import type { PortRange } from "../../src/embedded/listeners.ts";
import { processIdentity } from "../../src/embedded/process-identity.ts";
import { ProcessTable } from "../../src/embedded/processes.ts";
import { StateFolder } from "../../src/embedded/state-folder.ts";
import { createSystemClock } from "../../src/node/clock.ts";
import { WriterPool } from "../../src/postgres/pool.ts";
import { signalIfAlive } from "./signal-if-alive.ts";

/** A state folder of its own, and as many engines over it as a test wants. */
export interface Machine {
  readonly folder: string;
  readonly state: StateFolder;
  readonly table: ProcessTable;
  readonly shared: PortRange;
  readonly said: string[];
  /** Another process's engine, as far as anyone can tell. */
  engine(ports?: Partial<{ shared: PortRange; dedicated: PortRange }>): Promise<EmbeddedDatabases>;
  dispose(): Promise<void>;
}

export async function createMachine(parent = tmpdir()): Promise<Machine> {
  const state = new StateFolder(await mkdtemp(join(parent, "rowhouse-databases-")));
  await state.create();
  const folder = join(state.region("here"), "databases");
  const table = new ProcessTable(state);
  const shared = await freePorts(4);
  const engines: EmbeddedDatabases[] = [];
  const said: string[] = [];
  return {
    folder,
    state,
    table,
    shared,
    said,
    engine: async (ports = {}) => {
      const databases = await openEngine(state, shared, { ports, log: (message) => said.push(message) });
      engines.push(databases);
      return databases;
    },
    dispose: async () => {
      for (const engine of engines) await engine.stopWatching();
      for (const { name } of await table.list("postgres")) await table.terminate(name, { signal: "SIGQUIT" });
      await rm(state.path, { recursive: true, force: true, maxRetries: 10 });
    },
  };
}

/** An engine over the servers of a machine's state folder. */
export async function openEngine(
  state: StateFolder,
  shared: PortRange,
  options: {
    readonly ports?: Partial<{ shared: PortRange; dedicated: PortRange }>;
    readonly log?: (message: string) => void;
  } = {},
): Promise<EmbeddedDatabases> {
  return createDatabases({
    folder: join(state.region("here"), "databases"),
    namePrefix: "here",
    processes: new ProcessTable(state),
    logs: state.logs,
    keys: await createKeys({ file: join(state.region("here"), "keys.json") }),
    clock: createSystemClock(),
    host: "127.0.0.1",
    ports: { shared, dedicated: shared, ...options.ports },
    log: options.log ?? (() => {}),
  });
}

/**
 * Neighbouring ports that nobody listens on just now. Below those that the system gives to outgoing connections
 * (32768 and up on Linux, 49152 on macOS): one of these may take any of them at any moment.
 */
async function freePorts(count: number): Promise<PortRange> {
  for (;;) {
    const first = randomInt(20_000, 32_700);
    const probes = await Promise.all(Array.from({ length: count }, (_, index) => canListen(first + index)));
    if (probes.every(Boolean)) return { first, last: first + count - 1 };
  }
}

async function canListen(port: number): Promise<boolean> {
  const server = createServer();
  return new Promise((resolve) => {
    server.once("error", () => resolve(false));
    server.listen(port, "127.0.0.1", () => server.close(() => resolve(true)));
  });
}

export async function pids(
  databases: EmbeddedDatabases,
  name: string,
): Promise<{ primary: number; standby: number }> {
  const status = await databases.describe(name);
  return { primary: status!.primary!.pid!, standby: status!.standby!.pid! };
}

/** Kills processes and waits until they are gone. */
export async function kill(...victims: number[]): Promise<void> {
  for (const pid of victims) process.kill(pid, "SIGKILL");
  while (victims.some((pid) => processIdentity(pid) !== undefined)) await pause(1);
}

/** A node hangs when its processes stop, not the postmaster alone. */
export function signalNode(postmaster: number, signal: "SIGSTOP" | "SIGCONT"): void {
  const processes = execFileSync("ps", ["-axo", "pid=,ppid="], { encoding: "utf8" }).trim().split("\n");
  for (const line of processes) {
    const [pid, parent] = line.trim().split(/\s+/).map(Number);
    // A backend may have ended since.
    if (pid === postmaster || parent === postmaster) signalIfAlive(pid!, signal);
  }
}

export async function openPool(databases: EmbeddedDatabases, name: string): Promise<WriterPool> {
  return new WriterPool({
    endpoint: await databases.endpoint(name),
    credentials: await databases.administrator(name),
    database: "postgres",
    applicationName: "test",
    max: 4,
  });
}

/** Writes numbers one after the other until it is stopped, through every fault, and tells which were acknowledged. */
export async function startWriting(
  pool: WriterPool,
  table: string,
): Promise<{ acknowledged: number[]; stop(): Promise<void> }> {
  await pool.query(`CREATE TABLE ${table} (number int PRIMARY KEY)`);
  const acknowledged: number[] = [];
  let isStopped = false;
  const writing = (async () => {
    for (let number = 1; !isStopped; number++) {
      try {
        await pool.query(`INSERT INTO ${table} VALUES ($1)`, [number]);
        acknowledged.push(number);
      } catch {
        await pause(5);
      }
    }
  })();
  return {
    acknowledged,
    stop: async () => {
      isStopped = true;
      await writing;
    },
  };
}

export async function numbersIn(pool: WriterPool, table: string): Promise<number[]> {
  const { rows } = await pool.query<{ number: number }>(`SELECT number FROM ${table} ORDER BY number`);
  return rows.map((row) => row.number);
}
