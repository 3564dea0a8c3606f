import { spawn } from "node:child_process";
import { readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import {
  createMachine,
  kill,
  type Machine,
  numbersIn,
  openPool,
  pids,
  saysInSync,
  signalNode,
  startWriting,
} from "../../test/support/database-machine.ts";
import { databasesContract } from "../ports/databases.contract.ts";
import type { DatabaseServerStatus } from "../ports/databases.ts";
import { connect } from "../postgres/connect.ts";
import type { WriterPool } from "../postgres/pool.ts";
import { type EmbeddedDatabases, openDatabases } from "./databases.ts";
import { createKeys } from "./keys.ts";
import { findPostgres } from "./postgres/binaries.ts";
import { processIdentity } from "./process-identity.ts";

const zones = ["a", "b"] as const;
const isRoot = process.getuid?.() === 0 && process.platform === "linux";
const atLength = { timeout: 20_000, interval: 20 };

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

  const zonesNow = async () => {
    const found = await status();
    return { primary: found!.primary!.zone, standby: found!.standby!.zone };
  };
  const said = (from: number) => machine.said.slice(from).join("\n");
  /** Writes through a fault of the primary, and expects the other node to have taken over with all that was written. */
  async function survives(table: string, fault: (primary: number) => unknown): Promise<void> {
    const [before, zonesBefore] = [await pids(databases, name), await zonesNow()];
    const writing = await startWriting(pool, table);
    await expect.poll(() => writing.acknowledged.length, atLength).toBeGreaterThan(20);
    await fault(before.primary);
    await expect.poll(async () => (await zonesNow()).primary, atLength).toBe(zonesBefore.standby);
    const written = writing.acknowledged.length;
    await expect.poll(() => writing.acknowledged.length, atLength).toBeGreaterThan(written + 20);
    await isWhole();
    await writing.stop();
    expect((await pids(databases, name)).primary).toBe(before.standby);
    expect(processIdentity(before.primary)).toBeUndefined();
    expect(await numbersIn(pool, table)).toEqual(expect.arrayContaining(writing.acknowledged));
  }

  test("fails over when the primary is killed, with every acknowledged row, and again when the next one is", async () => {
    await survives("killed_primary", kill);
    await survives("killed_next", kill);
  });

  test("ends a primary that hangs and fails over", async () => {
    await survives("hung_primary", (primary) => signalNode(primary, "SIGSTOP"));
  });

  test("fails over when the postmaster alone hangs, so that nobody new can connect", async () => {
    await survives("hung_postmaster", (primary) => process.kill(primary, "SIGSTOP"));
  });

  test("fails over on purpose while it is written to, and has the old primary follow without a copy of it", async () => {
    const saidBefore = machine.said.length;
    const before = await zonesNow();
    const writing = await startWriting(pool, "on_purpose");
    await expect.poll(() => writing.acknowledged.length, atLength).toBeGreaterThan(20);
    await databases.failOver(name);
    const written = writing.acknowledged.length;
    await expect.poll(() => writing.acknowledged.length, atLength).toBeGreaterThan(written + 20);
    await isWhole();
    await writing.stop();
    expect(await zonesNow()).toEqual({ primary: before.standby, standby: before.primary });
    expect(await numbersIn(pool, "on_purpose")).toEqual(expect.arrayContaining(writing.acknowledged));
    expect(said(saidBefore)).not.toContain("rebuilding");
  });

  test("replaces the data of an old primary that went further than the new one, which never acknowledged that", async () => {
    const [before, zonesBefore] = [await pids(databases, name), await zonesNow()];
    const saidBefore = machine.said.length;
    const { rows } = await pool.query<{ pid: number }>("SELECT pid FROM pg_stat_replication");
    process.kill(rows[0]!.pid, "SIGSTOP");
    // Waits for its own disk alone; the standby can't get it.
    await pool.query("SET synchronous_commit = local; CREATE TABLE went_further AS SELECT 1 AS id");
    await kill(before.primary);
    await expect.poll(async () => (await zonesNow()).primary, atLength).toBe(zonesBefore.standby);
    await isWhole();
    expect(said(saidBefore)).toContain("rebuilding");
    const { rows: found } = await pool.query("SELECT to_regclass('went_further') AS found");
    expect(found).toEqual([{ found: null }]);
  });

  test("promotes nothing while no standby is in sync, and starts the killed primary again", async () => {
    const before = await pids(databases, name);
    const zonesBefore = await zonesNow();
    const saidBefore = machine.said.length;
    const writing = await startWriting(pool, "unprotected");
    signalNode(before.standby, "SIGSTOP");
    await expect.poll(() => saysInSync(machine, name), atLength).toBe(false);
    await expect(databases.failOver(name)).rejects.toMatchObject({ code: "E_STANDBY_BEHIND" });
    const unprotected = writing.acknowledged.length;
    await expect.poll(() => writing.acknowledged.length, atLength).toBeGreaterThan(unprotected + 20);
    await kill(before.primary);
    const written = writing.acknowledged.length;
    await expect.poll(() => writing.acknowledged.length, atLength).toBeGreaterThan(written + 20);
    expect(await zonesNow()).toEqual(zonesBefore);
    expect(said(saidBefore)).toContain("no standby is in sync, so none is promoted");
    await isWhole();
    await writing.stop();
    expect(await numbersIn(pool, "unprotected")).toEqual(expect.arrayContaining(writing.acknowledged));
  });

  // Once more if the machine was busy with something else just then.
  test("notices the death of a node within 200 ms", { retry: 2 }, async () => {
    const { standby } = await pids(databases, name);
    const saidBefore = machine.said.length;
    await kill(standby);
    const killedAt = performance.now();
    const isNoticed = () => said(saidBefore).includes("starting here.postgres.shared-1");
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
    const saidBefore = machine.said.length;
    await pool.query("CREATE TABLE rebuilt AS SELECT generate_series(1, 50000) AS number");
    await rm(join(machine.folder, name, (await zonesNow()).standby, "global", "pg_control"));
    await kill(standby);
    const writing = await startWriting(pool, "rebuilt_meanwhile");
    await expect.poll(() => said(saidBefore), atLength).toContain("rebuilding");
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
    expect(said(saidBefore)).toBe("");
    expect(await pids(databases, name)).toEqual(before);
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

  test("leaves no primary running whose process was never recorded: its starter was killed too early", async () => {
    const { primary } = await pids(databases, name);
    const { primary: zone } = await zonesNow();
    await pool.query("CREATE TABLE never_recorded AS SELECT 1 AS id");
    await databases.stopWatching();
    await rm(join(machine.state.processes, `here.postgres.${name}.${zone}.json`));
    databases = await machine.engine();
    await databases.create({ name, zones });
    databases.watch();
    expect(processIdentity(primary)).toBeUndefined();
    expect((await pool.query("SELECT id FROM never_recorded")).rows).toEqual([{ id: 1 }]);
  });

  test("takes the node on the newest timeline for the primary, whatever the file says", async () => {
    const file = join(machine.folder, name, "server.json");
    const before = await zonesNow();
    const outOfDate = await readFile(file, "utf8");
    await databases.failOver(name);
    await pool.query("CREATE TABLE on_newest_timeline AS SELECT 1 AS id");
    await databases.stopAll();
    await writeFile(file, outOfDate);
    databases = await machine.engine();
    databases.watch();
    await isWhole();
    expect(await zonesNow()).toEqual({ primary: before.standby, standby: before.primary });
    expect((await pool.query("SELECT id FROM on_newest_timeline")).rows).toEqual([{ id: 1 }]);
  });

  test("starts the old primary again when the standby that was to replace it can't, and took no write yet", async () => {
    const before = await zonesNow();
    await pool.query("CREATE TABLE before_withdrawal AS SELECT 1 AS id");
    await databases.stopAll();
    const file = join(machine.folder, name, "server.json");
    const state = JSON.parse(await readFile(file, "utf8")) as object;
    const promoting = { inSync: false, promoting: before.standby, diverged: before.primary };
    await writeFile(file, JSON.stringify({ ...state, ...promoting }));
    // It can't be started with that, and is on no newer timeline all the same.
    await rm(join(machine.folder, name, before.standby, "PG_VERSION"));
    databases = await machine.engine();
    databases.watch();
    await isWhole();
    expect(await zonesNow()).toEqual(before);
    expect((await pool.query("SELECT id FROM before_withdrawal")).rows).toEqual([{ id: 1 }]);
  });

  test("is looked after by one process alone: another one may once the first is gone", async () => {
    const stranger = spawn(process.execPath, ["-e", "setInterval(() => {}, 1000)"], { stdio: "ignore" });
    const holder = `${machine.folder}.holder.json`;
    try {
      await databases.stopWatching();
      await writeFile(
        holder,
        JSON.stringify({ pid: stranger.pid, identity: processIdentity(stranger.pid!) }),
      );
      const other = await machine.engine();
      const before = await pids(other, name);
      other.watch();
      await kill(before.standby);
      await expect(other.failOver(name)).rejects.toMatchObject({
        code: "E_STATE_LOCKED",
        message: expect.stringContaining(String(stranger.pid)),
      });
      expect((await other.describe(name))?.standby?.status).toBe("down");
      await kill(stranger.pid!);
      await isWhole();
      databases = other;
    } finally {
      stranger.kill("SIGKILL");
    }
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
    const { primary: zone } = await zonesNow();
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
      const lockFile = join(machine.folder, name, zone, "postmaster.pid");
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
