import { readdir, readFile, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { createMachine, kill, signalNode } from "../../test/support/database-machine.ts";
import { atLength, WatchedPair, zones } from "../../test/support/watched-pair.ts";
import { databasesContract } from "../ports/databases.contract.ts";
import { connect } from "../postgres/connect.ts";
import { openDatabases } from "./databases.ts";
import { createKeys } from "./keys.ts";

const isRoot = process.getuid?.() === 0 && process.platform === "linux";

databasesContract("embedded", async () => {
  const machine = await createMachine();
  return { databases: await machine.engine(), zones, dispose: machine.dispose };
});

describe("a watched pair", () => {
  let pair: WatchedPair;
  beforeAll(async () => {
    pair = await WatchedPair.create();
  });
  beforeEach(() => pair.isWhole());
  afterAll(() => pair.dispose());

  // Once more if the machine was busy with something else just then.
  test("notices the death of a node within 200 ms", { retry: 2 }, async () => {
    const { standby } = await pair.pids();
    const saidBefore = pair.machine.said.length;
    await kill(standby);
    const killedAt = performance.now();
    const isNoticed = () => pair.said(saidBefore).includes("starting here.postgres.shared-1");
    await expect.poll(isNoticed, { timeout: 5000, interval: 5 }).toBe(true);
    expect(performance.now() - killedAt).toBeLessThan(200);
  });

  test("serves on when the standby is killed, and has it back in sync", async () => {
    const before = await pair.pids();
    const writing = await pair.startWriting("killed_standby");
    await kill(before.standby);
    await expect.poll(async () => (await pair.pids()).standby, atLength).not.toBe(before.standby);
    await pair.isWhole();
    const written = writing.acknowledged.length;
    await expect.poll(() => writing.acknowledged.length, atLength).toBeGreaterThan(written + 20);
    await writing.stop();
    expect((await pair.pids()).primary).toBe(before.primary);
    expect(await pair.numbersIn("killed_standby")).toEqual(writing.acknowledged);
  });

  test("lets commits go after a while when the standby hangs, having written down that it is not in sync", async () => {
    const { standby } = await pair.pids();
    await pair.pool.query("CREATE TABLE released (id int)");
    signalNode(standby, "SIGSTOP");
    try {
      await pair.pool.query("INSERT INTO released VALUES (1)");
      expect(await pair.saysInSync()).toBe(false);
      expect(await pair.status()).toMatchObject({ status: "degraded", primary: { status: "running" } });
    } finally {
      signalNode(standby, "SIGCONT");
    }
    await pair.isWhole();
    expect(await pair.saysInSync()).toBe(true);
  });

  test("rebuilds a standby whose data is damaged, with all that was written before and meanwhile", async () => {
    const { standby } = await pair.pids();
    const saidBefore = pair.machine.said.length;
    await pair.pool.query("CREATE TABLE rebuilt AS SELECT generate_series(1, 50000) AS number");
    await rm(pair.path((await pair.zones()).standby, "global", "pg_control"));
    await kill(standby);
    const writing = await pair.startWriting("rebuilt_meanwhile");
    await expect.poll(() => pair.said(saidBefore), atLength).toContain("rebuilding");
    await pair.isWhole();
    await writing.stop();
    const reader = await connect({
      endpoint: { nodes: [(await pair.status())!.standby!] },
      credentials: await pair.databases.administrator(pair.name),
      database: "postgres",
      applicationName: "test",
      role: "reader",
    });
    const count = async (table: string) =>
      Number((await reader.query<{ count: string }>(`SELECT count(*) FROM ${table}`)).rows[0]!.count);
    await expect.poll(() => count("rebuilt"), atLength).toBe(50_000);
    await expect.poll(() => count("rebuilt_meanwhile"), atLength).toBe(writing.acknowledged.length);
    await reader.end();
    expect((await readdir(pair.path())).toSorted()).toEqual(["a", "b", "server.json"]);
  });

  test("describes a server quickly, and does not wait for a node that is frozen or dead", async () => {
    const { primary, standby } = await pair.pids();
    const describeFor = async () => {
      const startedAt = performance.now();
      const found = await pair.status();
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
    await pair.isWhole();
    await kill(standby);
    const dead = await describeFor();
    expect(dead.found?.status).toBe("degraded");
    expect(dead.milliseconds).toBeLessThan(1000);
  });

  test("stays in sync through the crash of a single connection, from which Postgres recovers by itself", async () => {
    const before = await pair.pids();
    const saidBefore = pair.machine.said.length;
    const writing = await pair.startWriting("crashed_connection");
    await expect.poll(() => writing.acknowledged.length, atLength).toBeGreaterThan(20);
    const { rows } = await pair.pool.query<{ pid: number }>("SELECT pg_backend_pid() AS pid");
    await kill(rows[0]!.pid);
    const written = writing.acknowledged.length;
    await expect.poll(() => writing.acknowledged.length, atLength).toBeGreaterThan(written + 20);
    await writing.stop();
    expect(await pair.numbersIn("crashed_connection")).toEqual(expect.arrayContaining(writing.acknowledged));
    expect(pair.said(saidBefore)).toBe("");
    expect(await pair.pids()).toEqual(before);
  });

  test.skipIf(!isRoot)(
    "runs as another user in a folder that only root may enter (only root on Linux needs to; others run Postgres as themselves)",
    async () => {
      expect(await stat(pair.machine.state.path)).toMatchObject({ uid: 0, mode: 0o040700 });
      const { primary } = await pair.pids();
      expect(await readFile(`/proc/${primary}/status`, "utf8")).toMatch(/^Uid:\t65534\t65534\t/m);
    },
  );

  test("shows no password in its files, its logs or its processes' arguments", async () => {
    const { password } = await pair.databases.administrator(pair.name);
    const file = pair.path("server.json");
    expect((await stat(file)).mode & 0o777).toBe(0o600);
    const texts = [await readFile(file, "utf8"), ...pair.machine.said];
    for (const log of await readdir(pair.machine.state.logs)) {
      texts.push(await readFile(join(pair.machine.state.logs, log), "utf8"));
    }
    for (const pid of Object.values(await pair.pids())) {
      if (process.platform === "linux") texts.push(await readFile(`/proc/${pid}/cmdline`, "utf8"));
    }
    expect(texts.join("\n")).not.toContain(password);
    const configuration = pair.path("b", "postgresql.conf");
    expect((await stat(configuration)).mode & 0o777).toBe(0o600);
  });

  test("is reached through its files alone by whoever only connects", async () => {
    const keys = await createKeys({ file: join(pair.machine.state.region("here"), "keys.json") });
    const opened = openDatabases({ folder: pair.machine.folder, keys });
    expect(await opened.endpoint(pair.name)).toEqual(await pair.databases.endpoint(pair.name));
    expect(await opened.endpoint(pair.name)).toBe(await opened.endpoint(pair.name));
    expect(await opened.administrator(pair.name)).toEqual(await pair.databases.administrator(pair.name));
    await expect(opened.endpoint("unknown")).rejects.toMatchObject({ code: "E_NOT_FOUND" });
  });
});
