import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { kill, signalNode } from "../../../test/support/database-machine.ts";
import { atLength, WatchedPair } from "../../../test/support/watched-pair.ts";
import { processIdentity } from "../process-identity.ts";

describe("a watched pair", () => {
  let pair: WatchedPair;
  beforeAll(async () => {
    pair = await WatchedPair.create();
  });
  beforeEach(() => pair.isWhole());
  afterAll(() => pair.dispose());

  /** Writes through a fault of the primary, and expects the other node to have taken over with all that was written. */
  async function survives(table: string, fault: (primary: number) => unknown): Promise<void> {
    const [before, zonesBefore] = [await pair.pids(), await pair.zones()];
    const writing = await pair.startWriting(table);
    await expect.poll(() => writing.acknowledged.length, atLength).toBeGreaterThan(20);
    await fault(before.primary);
    await expect.poll(async () => (await pair.zones()).primary, atLength).toBe(zonesBefore.standby);
    const written = writing.acknowledged.length;
    await expect.poll(() => writing.acknowledged.length, atLength).toBeGreaterThan(written + 20);
    await pair.isWhole();
    await writing.stop();
    expect((await pair.pids()).primary).toBe(before.standby);
    expect(processIdentity(before.primary)).toBeUndefined();
    expect(await pair.numbersIn(table)).toEqual(expect.arrayContaining(writing.acknowledged));
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
    const saidBefore = pair.machine.said.length;
    const before = await pair.zones();
    const writing = await pair.startWriting("on_purpose");
    await expect.poll(() => writing.acknowledged.length, atLength).toBeGreaterThan(20);
    await pair.databases.failOver(pair.name);
    const written = writing.acknowledged.length;
    await expect.poll(() => writing.acknowledged.length, atLength).toBeGreaterThan(written + 20);
    await pair.isWhole();
    await writing.stop();
    expect(await pair.zones()).toEqual({ primary: before.standby, standby: before.primary });
    expect(await pair.numbersIn("on_purpose")).toEqual(expect.arrayContaining(writing.acknowledged));
    expect(pair.said(saidBefore)).not.toContain("rebuilding");
  });

  test("replaces the data of an old primary that went further than the new one, which never acknowledged that", async () => {
    const [before, zonesBefore] = [await pair.pids(), await pair.zones()];
    const saidBefore = pair.machine.said.length;
    const { rows } = await pair.pool.query<{ pid: number }>("SELECT pid FROM pg_stat_replication");
    process.kill(rows[0]!.pid, "SIGSTOP");
    // Waits for its own disk alone; the standby can't get it.
    await pair.pool.query("SET synchronous_commit = local; CREATE TABLE went_further AS SELECT 1 AS id");
    await kill(before.primary);
    await expect.poll(async () => (await pair.zones()).primary, atLength).toBe(zonesBefore.standby);
    await pair.isWhole();
    expect(pair.said(saidBefore)).toContain("rebuilding");
    const { rows: found } = await pair.pool.query("SELECT to_regclass('went_further') AS found");
    expect(found).toEqual([{ found: null }]);
  });

  test("promotes nothing while no standby is in sync, and starts the killed primary again", async () => {
    const before = await pair.pids();
    const zonesBefore = await pair.zones();
    const saidBefore = pair.machine.said.length;
    const writing = await pair.startWriting("unprotected");
    signalNode(before.standby, "SIGSTOP");
    await expect.poll(() => pair.saysInSync(), atLength).toBe(false);
    await expect(pair.databases.failOver(pair.name)).rejects.toMatchObject({ code: "E_STANDBY_BEHIND" });
    const unprotected = writing.acknowledged.length;
    await expect.poll(() => writing.acknowledged.length, atLength).toBeGreaterThan(unprotected + 20);
    await kill(before.primary);
    const written = writing.acknowledged.length;
    await expect.poll(() => writing.acknowledged.length, atLength).toBeGreaterThan(written + 20);
    expect(await pair.zones()).toEqual(zonesBefore);
    expect(pair.said(saidBefore)).toContain("no standby is in sync, so none is promoted");
    await pair.isWhole();
    await writing.stop();
    expect(await pair.numbersIn("unprotected")).toEqual(expect.arrayContaining(writing.acknowledged));
  });
});
