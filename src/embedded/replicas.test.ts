import { existsSync } from "node:fs";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { openPool } from "../../test/support/database-machine.ts";
import {
  createRecoveryMachine,
  type RecoveryMachine,
  recoverySource,
} from "../../test/support/recovery-machine.ts";
import { replicasContract } from "../ports/replicas.contract.ts";
import type { Replicas } from "../ports/replicas.ts";
import type { WriterPool } from "../postgres/pool.ts";

const zones = ["a", "b"] as const;
const patience = { timeout: 60_000, interval: 50 };

replicasContract("embedded", async () => {
  const machine = await createRecoveryMachine();
  const { replicas, promoter, source, databases } = machine;
  const both: Replicas = {
    create: (replica) => replicas.create(replica),
    list: () => promoter.list(),
    promote: (replica) => promoter.promote(replica),
    delete: (replica) => replicas.delete(replica),
  };
  return {
    replicas: both,
    source: { region: recoverySource, databases: source, zones, lose: machine.loseSource },
    databases,
    zones,
    dispose: machine.dispose,
  };
});

describe("a watched replica", () => {
  const server = "shared-1";
  const replica = { source: recoverySource, server };
  let machine: RecoveryMachine;
  let pool: WriterPool;

  beforeAll(async () => {
    machine = await createRecoveryMachine();
    await machine.source.create({ name: server, zones });
    pool = await openPool(machine.source, server);
    await pool.query("CREATE TABLE numbers (id int PRIMARY KEY)");
    await machine.replicas.create(replica);
  }, 60_000);
  afterAll(async () => {
    await pool.end();
    await machine.dispose();
  }, 60_000);

  const status = async () => (await machine.replicas.list())[0];

  /** What it has was true after now. */
  async function untilCaughtUp(): Promise<void> {
    const since = performance.now();
    await expect
      .poll(async () => {
        const found = await status();
        return (
          found?.status === "following" && (found.lagSeconds ?? Infinity) * 1000 < performance.now() - since
        );
      }, patience)
      .toBe(true);
  }

  test("is started again when it was killed", async () => {
    const name = "eu-central-1.replica.eu-west-1.shared-1";
    const before = await machine.processes.find(name);
    process.kill(before!.pid, "SIGKILL");
    await expect.poll(async () => (await machine.processes.find(name))?.pid, patience).not.toBe(before?.pid);
    await pool.query("INSERT INTO numbers VALUES (1)");
    await untilCaughtUp();
  }, 90_000);

  test("follows whichever node of its source takes writes", async () => {
    await expect
      .poll(async () => (await machine.source.describe(server))?.status, patience)
      .toBe("available");
    await machine.source.failOver(server);
    await pool.query("INSERT INTO numbers VALUES (2)");
    await untilCaughtUp();
  }, 90_000);

  test("notices that it went ahead of what its source came to be", async () => {
    await expect
      .poll(async () => (await machine.source.describe(server))?.status, patience)
      .toBe("available");
    const primary = (await machine.source.describe(server))!.primary!;
    const { rows } = await pool.query<{ pid: number }>(
      "SELECT pid FROM pg_stat_replication WHERE application_name LIKE 'zone_%'",
    );
    // The standby gets no more, and the replica still does: then the standby takes over.
    process.kill(rows[0]!.pid, "SIGSTOP");
    const unacknowledged = pool.query("INSERT INTO numbers VALUES (100)").catch(() => {});
    await expect
      .poll(
        async () =>
          (
            await pool.query<{ ahead: boolean }>(
              `SELECT bool_or(replay_lsn >= pg_current_wal_lsn()) AS ahead FROM pg_stat_replication
               WHERE application_name LIKE 'recovery_%'`,
            )
          ).rows[0]?.ahead,
        { timeout: 2000, interval: 5 },
      )
      .toBe(true);
    process.kill(primary.pid!, "SIGKILL");
    await unacknowledged;
    await expect
      .poll(async () => (await machine.source.describe(server))?.primary?.zone, patience)
      .not.toBe(primary.zone);
    await expect
      .poll(
        () =>
          pool.query("SELECT 1").then(
            () => true,
            () => false,
          ),
        patience,
      )
      .toBe(true);
    expect((await pool.query("SELECT FROM numbers WHERE id = 100")).rowCount).toBe(0);
    await expect.poll(async () => (await status())?.status, patience).toBe("broken");
    await machine.replicas.create(replica);
    await pool.query("INSERT INTO numbers VALUES (4)");
    await untilCaughtUp();
  }, 120_000);

  test("says when it can follow no more, and is made anew on demand", async () => {
    const { processes, replicas, state } = machine;
    const { pid } = (await processes.find("eu-central-1.replica.eu-west-1.shared-1"))!;
    const data = join(state.region("eu-central-1"), "replicas", recoverySource, server, "data");
    await rm(join(data, "global", "pg_control"));
    process.kill(pid, "SIGKILL");
    await expect.poll(async () => (await status())?.status, patience).toBe("broken");
    await pool.query("INSERT INTO numbers VALUES (3)");
    await replicas.create(replica);
    await untilCaughtUp();
    expect(existsSync(join(data, "global", "pg_control"))).toBe(true);
  }, 90_000);
});
