import { spawn } from "node:child_process";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { failoverSteps, handoverSteps } from "../../src/embedded/postgres/failover.ts";
import { connect } from "../../src/postgres/connect.ts";
import type { WriterPool } from "../../src/postgres/pool.ts";
import {
  createMachine,
  kill,
  type Machine,
  numbersIn,
  openPool,
  startWriting,
} from "../support/database-machine.ts";
import type { FailoverProgramOptions } from "../support/failover-program.ts";

const program = fileURLToPath(new URL("../support/failover-program.ts", import.meta.url));
const zones = ["a", "b"] as const;
const atLength = { timeout: 60_000, interval: 20 };
const around = (steps: readonly string[]) => steps.flatMap((step) => [`before ${step}`, `after ${step}`]);

describe("a failover whose process is killed", () => {
  let machine: Machine;
  let pool: WriterPool;
  let writing: Awaited<ReturnType<typeof startWriting>>;

  beforeAll(async () => {
    machine = await createMachine();
    const databases = await machine.engine();
    await databases.create({ name: "one", zones });
    pool = await openPool(databases, "one");
    writing = await startWriting(pool, "ledger");
  });
  afterAll(async () => {
    await writing.stop();
    await pool.end();
    await machine.dispose();
  });

  const describeServer = async () => (await machine.engine()).describe("one");

  /** Runs a process that looks after the server until it kills itself. */
  async function dieAt(options: Pick<FailoverProgramOptions, "diesAt" | "onPurpose">): Promise<void> {
    const child = spawn(
      process.execPath,
      [program, JSON.stringify({ ...options, state: machine.state.path, firstPort: machine.shared.first })],
      { stdio: ["ignore", "ignore", "inherit"] },
    );
    const signal = await new Promise((resolve) => child.once("close", (_code, by) => resolve(by)));
    expect(signal).toBe("SIGKILL");
  }

  /** Writable nodes, asked one by one. */
  async function writers(): Promise<number> {
    const databases = await machine.engine();
    const { nodes } = await databases.endpoint("one");
    const credentials = await databases.administrator("one");
    const found = await Promise.all(
      nodes.map((node) =>
        connect({
          endpoint: { nodes: [node] },
          credentials,
          database: "postgres",
          applicationName: "test",
        }).then(
          (client) => client.end().then(() => 1),
          () => 0,
        ),
      ),
    );
    return found[0]! + found[1]!;
  }

  /** The next process brings the pair back, with all that was ever acknowledged. */
  async function expectWhole(): Promise<void> {
    const databases = await machine.engine();
    databases.watch();
    await expect.poll(async () => (await databases.describe("one"))?.status, atLength).toBe("available");
    const written = writing.acknowledged.length;
    await expect.poll(() => writing.acknowledged.length, atLength).toBeGreaterThan(written + 10);
    const acknowledged = [...writing.acknowledged];
    const found = new Set(await numbersIn(pool, "ledger"));
    expect(acknowledged.filter((number) => !found.has(number))).toEqual([]);
    expect(await writers()).toBe(1);
    await databases.stopWatching();
  }

  test("before and after every step in turn is finished by the next process", async () => {
    const before = await describeServer();
    await kill(before!.primary!.pid!);
    for (const diesAt of around(failoverSteps)) {
      await dieAt({ diesAt, onPurpose: false });
      expect(await writers()).toBeLessThan(2);
    }
    await expectWhole();
    expect((await describeServer())?.primary?.zone).toBe(before?.standby?.zone);
  }, 180_000);

  test.each(around([...handoverSteps, ...failoverSteps]))(
    "on purpose, %s, is finished or taken back by the next one",
    async (diesAt) => {
      await dieAt({ diesAt, onPurpose: true });
      expect(await writers()).toBeLessThan(2);
      await expectWhole();
    },
    120_000,
  );

  test.each(around(failoverSteps))(
    "together with both nodes, %s, is finished or taken back by the next one",
    async (diesAt) => {
      await kill((await describeServer())!.primary!.pid!);
      await dieAt({ diesAt, onPurpose: false });
      const alive = await machine.table.list("postgres");
      await kill(...alive.map(({ pid }) => pid));
      await expectWhole();
    },
    120_000,
  );
});
