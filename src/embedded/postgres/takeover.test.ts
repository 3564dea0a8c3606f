import { spawn } from "node:child_process";
import { readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { kill, pids } from "../../../test/support/database-machine.ts";
import { atLength, WatchedPair, zones } from "../../../test/support/watched-pair.ts";
import { processIdentity } from "../process-identity.ts";
import { findPostgres } from "./binaries.ts";

describe("a watched pair", () => {
  let pair: WatchedPair;
  beforeAll(async () => {
    pair = await WatchedPair.create();
  });
  beforeEach(() => pair.isWhole());
  afterAll(() => pair.dispose());

  test("loses nothing when both nodes and the watch are killed at once: the next engine takes over", async () => {
    const before = await pair.pids();
    const writing = await pair.startWriting("killed_all");
    await expect.poll(() => writing.acknowledged.length, atLength).toBeGreaterThan(20);
    await pair.databases.stopWatching();
    await kill(before.primary, before.standby);
    pair.databases = await pair.machine.engine();
    pair.databases.watch();
    await pair.isWhole();
    await writing.stop();
    expect(await pair.numbersIn("killed_all")).toEqual(expect.arrayContaining(writing.acknowledged));
    expect(await pair.pids()).not.toEqual(before);
  });

  test("is adopted as it runs by the next engine, which then watches it", async () => {
    const before = await pair.pids();
    await pair.databases.stopWatching();
    await pair.pool.query("CREATE TABLE while_nobody_watches (id int)");
    pair.databases = await pair.machine.engine();
    const startedAt = performance.now();
    await pair.databases.create({ name: pair.name, zones });
    expect(performance.now() - startedAt).toBeLessThan(1000);
    expect(await pair.pids()).toEqual(before);
    pair.databases.watch();
    await kill(before.standby);
    await expect.poll(async () => (await pair.pids()).standby, atLength).not.toBe(before.standby);
  });

  test("leaves no primary running whose process was never recorded: its starter was killed too early", async () => {
    const { primary } = await pair.pids();
    const { primary: zone } = await pair.zones();
    await pair.pool.query("CREATE TABLE never_recorded AS SELECT 1 AS id");
    await pair.databases.stopWatching();
    await rm(join(pair.machine.state.processes, `here.postgres.${pair.name}.${zone}.json`));
    pair.databases = await pair.machine.engine();
    await pair.databases.create({ name: pair.name, zones });
    pair.databases.watch();
    expect(processIdentity(primary)).toBeUndefined();
    expect((await pair.pool.query("SELECT id FROM never_recorded")).rows).toEqual([{ id: 1 }]);
  });

  test("takes the node on the newest timeline for the primary, whatever the file says", async () => {
    const file = pair.path("server.json");
    const before = await pair.zones();
    const outOfDate = await readFile(file, "utf8");
    await pair.databases.failOver(pair.name);
    await pair.pool.query("CREATE TABLE on_newest_timeline AS SELECT 1 AS id");
    await pair.databases.stopAll();
    await writeFile(file, outOfDate);
    pair.databases = await pair.machine.engine();
    pair.databases.watch();
    await pair.isWhole();
    expect(await pair.zones()).toEqual({ primary: before.standby, standby: before.primary });
    expect((await pair.pool.query("SELECT id FROM on_newest_timeline")).rows).toEqual([{ id: 1 }]);
  });

  test("starts the old primary again when the standby that was to replace it can't, and took no write yet", async () => {
    const before = await pair.zones();
    await pair.pool.query("CREATE TABLE before_withdrawal AS SELECT 1 AS id");
    await pair.databases.stopAll();
    const file = pair.path("server.json");
    const state = JSON.parse(await readFile(file, "utf8")) as object;
    const promoting = { inSync: false, promoting: before.standby, diverged: before.primary };
    await writeFile(file, JSON.stringify({ ...state, ...promoting }));
    // It can't be started with that, and is on no newer timeline all the same.
    await rm(pair.path(before.standby, "PG_VERSION"));
    pair.databases = await pair.machine.engine();
    pair.databases.watch();
    await pair.isWhole();
    expect(await pair.zones()).toEqual(before);
    expect((await pair.pool.query("SELECT id FROM before_withdrawal")).rows).toEqual([{ id: 1 }]);
  });

  test("is looked after by one process alone: another one may once the first is gone", async () => {
    const stranger = spawn(process.execPath, ["-e", "setInterval(() => {}, 1000)"], { stdio: "ignore" });
    const holder = `${pair.machine.folder}.holder.json`;
    try {
      await pair.databases.stopWatching();
      await writeFile(
        holder,
        JSON.stringify({ pid: stranger.pid, identity: processIdentity(stranger.pid!) }),
      );
      const other = await pair.machine.engine();
      const before = await pids(other, pair.name);
      other.watch();
      await kill(before.standby);
      await expect(other.failOver(pair.name)).rejects.toMatchObject({
        code: "E_STATE_LOCKED",
        message: expect.stringContaining(String(stranger.pid)),
      });
      expect((await other.describe(pair.name))?.standby?.status).toBe("down");
      await kill(stranger.pid!);
      await pair.isWhole();
      pair.databases = other;
    } finally {
      stranger.kill("SIGKILL");
    }
  });

  test("shuts down in order, the standby with all that was written, and starts again at once", async () => {
    await pair.pool.query("CREATE TABLE before_shutdown AS SELECT 1 AS id");
    await pair.databases.stopAll();
    expect(await pair.machine.table.list("postgres")).toEqual([]);
    expect(await pair.status()).toMatchObject({ status: "down", primary: { status: "down" } });
    expect(await pair.saysInSync()).toBe(true);
    const saidBefore = pair.machine.said.length;
    pair.databases.watch();
    await pair.isWhole();
    expect((await pair.pool.query("SELECT id FROM before_shutdown")).rows).toEqual([{ id: 1 }]);
    expect(pair.machine.said.slice(saidBefore).filter((line) => !line.includes("starting"))).toEqual([]);
  });

  test("starts after a crash although another program has its old pid by then", async () => {
    await pair.pool.query("CREATE TABLE before_crash AS SELECT 1 AS id");
    const { primary } = await pair.pids();
    const { primary: zone } = await pair.zones();
    await pair.databases.stopWatching();
    // Leaves a postmaster.pid behind, as a power cut does.
    await kill(primary);
    await pair.databases.stopAll();
    expect(await pair.machine.table.list("postgres")).toEqual([]);
    const { user } = await findPostgres();
    const stranger = spawn("sleep", ["60"], {
      stdio: "ignore",
      ...(user === undefined ? {} : { uid: user }),
    });
    try {
      const lockFile = pair.path(zone, "postmaster.pid");
      const lines = (await readFile(lockFile, "utf8")).split("\n");
      await writeFile(lockFile, [stranger.pid, ...lines.slice(1)].join("\n"));
      pair.databases = await pair.machine.engine();
      pair.databases.watch();
      const startedAt = performance.now();
      await pair.databases.create({ name: pair.name, zones });
      expect(performance.now() - startedAt).toBeLessThan(3000);
      expect(stranger.exitCode ?? stranger.signalCode).toBeNull();
      expect((await pair.pool.query("SELECT id FROM before_crash")).rows).toEqual([{ id: 1 }]);
    } finally {
      stranger.kill();
    }
  });
});
