import { execFileSync, spawn } from "node:child_process";
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { freePort } from "../../test/support/postgres-server.ts";
import { databasesContract } from "../ports/databases.contract.ts";
import type { DatabaseServerStatus } from "../ports/databases.ts";
import { connect } from "../postgres/connect.ts";
import { WriterPool } from "../postgres/pool.ts";
import { createSystemClock } from "./clock.ts";
import { createDatabases, type EmbeddedDatabases, openDatabases } from "./databases.ts";
import { createKeys } from "./keys.ts";
import type { PortRange } from "./listeners.ts";
import { findPostgres } from "./postgres/binaries.ts";
import { processIdentity } from "./process-identity.ts";
import { ProcessTable } from "./processes.ts";
import { StateFolder } from "./state-folder.ts";

const zones = ["a", "b"] as const;
const isRoot = process.getuid?.() === 0 && process.platform === "linux";
const atLength = { timeout: 20_000, interval: 20 };

/** A state folder of its own, and as many engines over it as a test wants. */
interface Machine {
  readonly folder: string;
  readonly state: StateFolder;
  readonly table: ProcessTable;
  readonly shared: PortRange;
  readonly said: string[];
  /** Another process's engine, as far as anyone can tell. */
  engine(ports?: Partial<{ shared: PortRange; dedicated: PortRange }>): Promise<EmbeddedDatabases>;
  dispose(): Promise<void>;
}

async function createMachine(parent = tmpdir()): Promise<Machine> {
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
      const databases = await createDatabases({
        folder,
        namePrefix: "here",
        processes: table,
        logs: state.logs,
        keys: await createKeys({ file: join(state.region("here"), "keys.json") }),
        clock: createSystemClock(),
        host: "127.0.0.1",
        ports: { shared, dedicated: shared, ...ports },
        log: (message) => said.push(message),
      });
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

/** Neighbouring ports that nobody listens on just now. */
async function freePorts(count: number): Promise<PortRange> {
  for (;;) {
    const first = await freePort();
    const probes = await Promise.all(Array.from({ length: count }, (_, index) => canListen(first + index)));
    if (first + count < 65_536 && probes.every(Boolean)) return { first, last: first + count - 1 };
  }
}

async function canListen(port: number): Promise<boolean> {
  const server = createServer();
  return new Promise((resolve) => {
    server.once("error", () => resolve(false));
    server.listen(port, "127.0.0.1", () => server.close(() => resolve(true)));
  });
}

async function pids(
  databases: EmbeddedDatabases,
  name: string,
): Promise<{ primary: number; standby: number }> {
  const status = await databases.describe(name);
  return { primary: status!.primary!.pid!, standby: status!.standby!.pid! };
}

/** Kills processes and waits until they are gone. */
async function kill(...victims: number[]): Promise<void> {
  for (const pid of victims) process.kill(pid, "SIGKILL");
  while (victims.some((pid) => processIdentity(pid) !== undefined)) await pause(1);
}

/** A node hangs when its processes stop, not the postmaster alone. */
function signalNode(postmaster: number, signal: "SIGSTOP" | "SIGCONT"): void {
  const processes = execFileSync("ps", ["-axo", "pid=,ppid="], { encoding: "utf8" }).trim().split("\n");
  for (const line of processes) {
    const [pid, parent] = line.trim().split(/\s+/).map(Number);
    if (pid === postmaster || parent === postmaster) process.kill(pid!, signal);
  }
}

async function openPool(databases: EmbeddedDatabases, name: string): Promise<WriterPool> {
  return new WriterPool({
    endpoint: await databases.endpoint(name),
    credentials: await databases.administrator(name),
    database: "postgres",
    applicationName: "test",
    max: 4,
  });
}

/** Writes numbers one after the other until it is stopped, through every fault, and tells which were acknowledged. */
async function startWriting(
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

async function numbersIn(pool: WriterPool, table: string): Promise<number[]> {
  const { rows } = await pool.query<{ number: number }>(`SELECT number FROM ${table} ORDER BY number`);
  return rows.map((row) => row.number);
}

async function saysInSync(machine: Machine, name: string): Promise<boolean> {
  return JSON.parse(await readFile(join(machine.folder, name, "server.json"), "utf8")).inSync;
}

databasesContract("embedded", async () => {
  const machine = await createMachine();
  return { databases: await machine.engine(), zones, dispose: machine.dispose };
});

describe("a watched pair", () => {
  const name = "shared-1";
  let machine: Machine;
  let databases: EmbeddedDatabases;
  let pool: WriterPool;

  const status = (): Promise<DatabaseServerStatus | undefined> => databases.describe(name);
  const isWhole = () => expect.poll(async () => (await status())?.status, atLength).toBe("available");

  beforeAll(async () => {
    machine = await createMachine();
    databases = await machine.engine();
    databases.watch();
    await databases.create({ name, zones });
    pool = await openPool(databases, name);
  });
  beforeEach(isWhole);
  afterAll(async () => {
    await pool.end();
    await machine.dispose();
  });

  test("starts a killed primary again, with every acknowledged row", async () => {
    const before = await pids(databases, name);
    const writing = await startWriting(pool, "killed_primary");
    await expect.poll(() => writing.acknowledged.length, atLength).toBeGreaterThan(20);
    await kill(before.primary);
    const written = writing.acknowledged.length;
    await expect.poll(() => writing.acknowledged.length, atLength).toBeGreaterThan(written + 20);
    await writing.stop();
    expect((await pids(databases, name)).primary).not.toBe(before.primary);
    expect(await numbersIn(pool, "killed_primary")).toEqual(expect.arrayContaining(writing.acknowledged));
  });

  // Once more if the machine was busy with something else just then.
  test("notices the death of a node within 200 ms", { retry: 2 }, async () => {
    const { standby } = await pids(databases, name);
    const saidBefore = machine.said.length;
    await kill(standby);
    const killedAt = performance.now();
    const isNoticed = () =>
      machine.said.slice(saidBefore).some((line) => line.endsWith("starting here.postgres.shared-1.b"));
    await expect.poll(isNoticed, { timeout: 5000, interval: 5 }).toBe(true);
    expect(performance.now() - killedAt).toBeLessThan(200);
  });

  test("serves on when the standby is killed, and has it back in sync", async () => {
    const before = await pids(databases, name);
    const writing = await startWriting(pool, "killed_standby");
    await kill(before.standby);
    await expect.poll(async () => (await pids(databases, name)).standby, atLength).not.toBe(before.standby);
    await isWhole();
    const written = writing.acknowledged.length;
    await expect.poll(() => writing.acknowledged.length, atLength).toBeGreaterThan(written + 20);
    await writing.stop();
    expect((await pids(databases, name)).primary).toBe(before.primary);
    expect(await numbersIn(pool, "killed_standby")).toEqual(writing.acknowledged);
  });

  test("lets commits go after a while when the standby hangs, having written down that it is not in sync", async () => {
    const { standby } = await pids(databases, name);
    await pool.query("CREATE TABLE released (id int)");
    signalNode(standby, "SIGSTOP");
    try {
      await pool.query("INSERT INTO released VALUES (1)");
      expect(await saysInSync(machine, name)).toBe(false);
      expect(await status()).toMatchObject({ status: "degraded", primary: { status: "running" } });
    } finally {
      signalNode(standby, "SIGCONT");
    }
    await isWhole();
    expect(await saysInSync(machine, name)).toBe(true);
  });

  test("rebuilds a standby whose data is damaged, with all that was written before and meanwhile", async () => {
    const { standby } = await pids(databases, name);
    await pool.query("CREATE TABLE rebuilt AS SELECT generate_series(1, 50000) AS number");
    await rm(join(machine.folder, name, "b", "global", "pg_control"));
    await kill(standby);
    const writing = await startWriting(pool, "rebuilt_meanwhile");
    await expect
      .poll(() => machine.said.filter((line) => line.includes("rebuilding")).length, atLength)
      .toBe(1);
    await isWhole();
    await writing.stop();
    const reader = await connect({
      endpoint: { nodes: [(await status())!.standby!] },
      credentials: await databases.administrator(name),
      database: "postgres",
      applicationName: "test",
      role: "reader",
    });
    const count = async (table: string) =>
      Number((await reader.query<{ count: string }>(`SELECT count(*) FROM ${table}`)).rows[0]!.count);
    await expect.poll(() => count("rebuilt"), atLength).toBe(50_000);
    await expect.poll(() => count("rebuilt_meanwhile"), atLength).toBe(writing.acknowledged.length);
    await reader.end();
    expect((await readdir(join(machine.folder, name))).toSorted()).toEqual(["a", "b", "server.json"]);
  });

  test("describes a server quickly, and does not wait for a node that is frozen or dead", async () => {
    const { primary, standby } = await pids(databases, name);
    const describeFor = async () => {
      const startedAt = performance.now();
      const found = await status();
      return { found, milliseconds: performance.now() - startedAt };
    };
    const durations = [];
    for (let round = 0; round < 21; round++) durations.push((await describeFor()).milliseconds);
    expect(durations.toSorted((a, b) => a - b)[10]).toBeLessThan(50);
    signalNode(primary, "SIGSTOP");
    const frozen = await describeFor();
    signalNode(primary, "SIGCONT");
    expect(frozen.found).toMatchObject({ status: "degraded", standby: { lagBytes: null } });
    expect(frozen.milliseconds).toBeLessThan(1000);
    await isWhole();
    await kill(standby);
    const dead = await describeFor();
    expect(dead.found?.status).toBe("degraded");
    expect(dead.milliseconds).toBeLessThan(1000);
  });

  test("stays in sync through the crash of a single connection, from which Postgres recovers by itself", async () => {
    const before = await pids(databases, name);
    const saidBefore = machine.said.length;
    const writing = await startWriting(pool, "crashed_connection");
    await expect.poll(() => writing.acknowledged.length, atLength).toBeGreaterThan(20);
    const { rows } = await pool.query<{ pid: number }>("SELECT pg_backend_pid() AS pid");
    await kill(rows[0]!.pid);
    const written = writing.acknowledged.length;
    await expect.poll(() => writing.acknowledged.length, atLength).toBeGreaterThan(written + 20);
    await writing.stop();
    expect(await numbersIn(pool, "crashed_connection")).toEqual(expect.arrayContaining(writing.acknowledged));
    expect(await pids(databases, name)).toEqual(before);
    expect(machine.said.slice(saidBefore)).toEqual([]);
  });

  test("loses nothing when both nodes and the watch are killed at once: the next engine takes over", async () => {
    const before = await pids(databases, name);
    const writing = await startWriting(pool, "killed_all");
    await expect.poll(() => writing.acknowledged.length, atLength).toBeGreaterThan(20);
    await databases.stopWatching();
    await kill(before.primary, before.standby);
    databases = await machine.engine();
    databases.watch();
    await isWhole();
    await writing.stop();
    expect(await numbersIn(pool, "killed_all")).toEqual(expect.arrayContaining(writing.acknowledged));
    expect(await pids(databases, name)).not.toEqual(before);
  });

  test("is adopted as it runs by the next engine, which then watches it", async () => {
    const before = await pids(databases, name);
    await databases.stopWatching();
    await pool.query("CREATE TABLE while_nobody_watches (id int)");
    databases = await machine.engine();
    const startedAt = performance.now();
    await databases.create({ name, zones });
    expect(performance.now() - startedAt).toBeLessThan(1000);
    expect(await pids(databases, name)).toEqual(before);
    databases.watch();
    await kill(before.standby);
    await expect.poll(async () => (await pids(databases, name)).standby, atLength).not.toBe(before.standby);
  });

  test("starts a primary whose process was never recorded: its starter was killed too early", async () => {
    const { primary } = await pids(databases, name);
    await pool.query("CREATE TABLE never_recorded AS SELECT 1 AS id");
    await databases.stopWatching();
    await rm(join(machine.state.processes, `here.postgres.${name}.a.json`));
    databases = await machine.engine();
    await databases.create({ name, zones });
    databases.watch();
    expect(processIdentity(primary)).toBeUndefined();
    expect((await pool.query("SELECT id FROM never_recorded")).rows).toEqual([{ id: 1 }]);
  });

  test("shuts down in order, the standby with all that was written, and starts again at once", async () => {
    await pool.query("CREATE TABLE before_shutdown AS SELECT 1 AS id");
    await databases.stopAll();
    expect(await machine.table.list("postgres")).toEqual([]);
    expect(await status()).toMatchObject({ status: "down", primary: { status: "down" } });
    expect(await saysInSync(machine, name)).toBe(true);
    const saidBefore = machine.said.length;
    databases.watch();
    await isWhole();
    expect((await pool.query("SELECT id FROM before_shutdown")).rows).toEqual([{ id: 1 }]);
    expect(machine.said.slice(saidBefore).filter((line) => !line.includes("starting"))).toEqual([]);
  });

  test.skipIf(!isRoot)(
    "runs as another user in a folder that only root may enter (only root on Linux needs to; others run Postgres as themselves)",
    async () => {
      expect(await stat(machine.state.path)).toMatchObject({ uid: 0, mode: 0o040700 });
      const { primary } = await pids(databases, name);
      expect(await readFile(`/proc/${primary}/status`, "utf8")).toMatch(/^Uid:\t65534\t65534\t/m);
    },
  );

  test("shows no password in its files, its logs or its processes' arguments", async () => {
    const { password } = await databases.administrator(name);
    const file = join(machine.folder, name, "server.json");
    expect((await stat(file)).mode & 0o777).toBe(0o600);
    const texts = [await readFile(file, "utf8"), ...machine.said];
    for (const log of await readdir(machine.state.logs)) {
      texts.push(await readFile(join(machine.state.logs, log), "utf8"));
    }
    for (const pid of Object.values(await pids(databases, name))) {
      if (process.platform === "linux") texts.push(await readFile(`/proc/${pid}/cmdline`, "utf8"));
    }
    expect(texts.join("\n")).not.toContain(password);
    const configuration = join(machine.folder, name, "b", "postgresql.conf");
    expect((await stat(configuration)).mode & 0o777).toBe(0o600);
  });

  test("is reached through its files alone by whoever only connects", async () => {
    const keys = await createKeys({ file: join(machine.state.region("here"), "keys.json") });
    const opened = openDatabases({ folder: machine.folder, keys });
    expect(await opened.endpoint(name)).toEqual(await databases.endpoint(name));
    expect(await opened.endpoint(name)).toBe(await opened.endpoint(name));
    expect(await opened.administrator(name)).toEqual(await databases.administrator(name));
    await expect(opened.endpoint("unknown")).rejects.toMatchObject({ code: "E_NOT_FOUND" });
  });

  test("starts after a crash although another program has its old pid by then", async () => {
    await pool.query("CREATE TABLE before_crash AS SELECT 1 AS id");
    const { primary } = await pids(databases, name);
    await databases.stopWatching();
    // Leaves a postmaster.pid behind, as a power cut does.
    await kill(primary);
    await databases.stopAll();
    expect(await machine.table.list("postgres")).toEqual([]);
    const { user } = await findPostgres();
    const stranger = spawn("sleep", ["60"], {
      stdio: "ignore",
      ...(user === undefined ? {} : { uid: user }),
    });
    try {
      const lockFile = join(machine.folder, name, "a", "postmaster.pid");
      const lines = (await readFile(lockFile, "utf8")).split("\n");
      await writeFile(lockFile, [stranger.pid, ...lines.slice(1)].join("\n"));
      databases = await machine.engine();
      databases.watch();
      const startedAt = performance.now();
      await databases.create({ name, zones });
      expect(performance.now() - startedAt).toBeLessThan(3000);
      expect(stranger.exitCode ?? stranger.signalCode).toBeNull();
      expect((await pool.query("SELECT id FROM before_crash")).rows).toEqual([{ id: 1 }]);
    } finally {
      stranger.kill();
    }
  });
});

describe("creating a server", () => {
  let machine: Machine;
  beforeEach(async () => {
    machine = await createMachine();
  });
  afterEach(() => machine.dispose());

  const isThere = (path: string) => async () =>
    (await stat(join(machine.folder, "one", path)).catch(() => null)) !== null;
  const unfinished = async (count: number) =>
    (await readdir(join(machine.folder, "one")).catch(() => [])).filter((name) =>
      name.startsWith("unfinished-"),
    ).length >= count;

  test.each([
    ["while initdb runs", () => unfinished(1)],
    ["while the standby is copied", () => unfinished(2)],
    ["while it first starts", () => isThere("a/postmaster.pid")()],
  ])("is finished by the next one when its process is killed %s", async (_, isTime) => {
    const program = join(import.meta.dirname, "../../test/support/create-database.ts");
    const creator = spawn(process.execPath, [program, machine.state.path, String(machine.shared.first)], {
      stdio: ["ignore", "ignore", "inherit"],
    });
    while (!(await isTime())) await pause(1);
    creator.kill("SIGKILL");
    const databases = await machine.engine();
    expect(await databases.describe("one")).toMatchObject({ status: "creating" });
    await databases.create({ name: "one", zones });
    expect(await databases.describe("one")).toMatchObject({ status: "available" });
    expect((await readdir(join(machine.folder, "one"))).toSorted()).toEqual(["a", "b", "server.json"]);
    const pool = await openPool(databases, "one");
    await pool.query("CREATE TABLE works (id int)");
    await pool.end();
  });

  test("says which port is taken, leaves nothing running, and goes on when it is free", async () => {
    const stranger = createServer();
    await new Promise<void>((resolve) => stranger.listen(machine.shared.first + 1, "127.0.0.1", resolve));
    const databases = await machine.engine();
    await expect(databases.create({ name: "one", zones })).rejects.toMatchObject({
      code: "E_PORT_IN_USE",
      message: expect.stringContaining(String(machine.shared.first + 1)),
    });
    expect(await machine.table.list("postgres")).toEqual([]);
    await expect(databases.endpoint("one")).rejects.toMatchObject({ code: "E_NOT_FOUND" });
    await databases.delete("one");
    expect(await readdir(machine.folder)).toEqual([]);
    await new Promise((resolve) => stranger.close(resolve));
    await databases.create({ name: "one", zones });
  });

  test.skipIf(!isRoot)(
    "says that the disk is full, takes nothing half-made for whole, and goes on when there is room (root can mount a small disk)",
    async () => {
      const disk = await mkdtemp(join(tmpdir(), "rowhouse-disk-"));
      execFileSync("mount", ["-t", "tmpfs", "-o", "size=48m", "tmpfs", disk]);
      const small = await createMachine(disk);
      try {
        const databases = await small.engine();
        await expect(databases.create({ name: "one", zones })).rejects.toMatchObject({ code: "E_DISK_FULL" });
        expect(await small.table.list("postgres")).toEqual([]);
        expect(await databases.list()).toMatchObject([{ name: "one", status: "creating" }]);
        execFileSync("mount", ["-o", "remount,size=400m", disk]);
        await databases.create({ name: "one", zones });
        expect(await databases.describe("one")).toMatchObject({ status: "available" });
      } finally {
        await small.dispose();
        execFileSync("umount", [disk]);
        await rm(disk, { recursive: true });
      }
    },
  );

  test("takes two ports of the size's range, and says when there are none left", async () => {
    const { first } = machine.shared;
    const databases = await machine.engine({ dedicated: { first: first + 2, last: first + 2 } });
    const dedicated = databases.create({ name: "tenant", zones, size: "dedicated" });
    await expect(dedicated).rejects.toMatchObject({ code: "E_QUOTA" });
    databases.watch();
    await databases.create({ name: "one", zones });
    expect(await databases.list()).toMatchObject([
      { primary: { port: first }, standby: { port: first + 1 } },
    ]);
    await databases.delete("one");
    expect(await machine.table.list("postgres")).toEqual([]);
    expect(await readdir(machine.folder)).toEqual([]);
  });
});
