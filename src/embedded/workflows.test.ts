import { connect, createServer, type Socket } from "node:net";
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from "vitest";
import { connectionTo, createTestDatabase, type TestDatabase } from "../../test/support/database.ts";
import { createFakeClock } from "../../test/support/fake-clock.ts";
import { freePort } from "../../test/support/postgres-server.ts";
import { survivesDeaths } from "../../test/support/saga-deaths.ts";
import { fault } from "../core/error.ts";
import { createSystemClock } from "../node/clock.ts";
import { workflowsContract } from "../ports/workflows.contract.ts";
import type { WorkflowDefinition, Workflows } from "../ports/workflows.ts";
import { createWorkflows, type WorkflowsOptions } from "./workflows.ts";

const clock = createSystemClock();

workflowsContract("embedded", async () => {
  const database = await createTestDatabase();
  const open = () => createWorkflows({ connection: connectionTo(database), name: "eu-test-1", clock });
  return { workflows: open(), reopen: async () => open(), dispose: () => database.drop() };
});

survivesDeaths("embedded", async () => ({ dispose: async () => {} }));

describe("an engine of its own", () => {
  let database: TestDatabase;
  let workflows: Workflows | undefined;
  beforeAll(async () => {
    database = await createTestDatabase();
  });
  afterEach(() => workflows?.stop());
  afterAll(() => database.drop());

  const steps = (count: number, run: (step: string) => Promise<unknown> = async () => null) =>
    Array.from({ length: count }, (_, index) => ({
      name: `s${index}`,
      title: `Step ${index}`,
      run: () => run(`s${index}`),
    }));
  const open = async (definition: WorkflowDefinition<unknown>, options: Partial<WorkflowsOptions> = {}) => {
    workflows = createWorkflows({ connection: connectionTo(database), name: "eu-test-2", clock, ...options });
    workflows.register(definition);
    await workflows.launch();
    return workflows;
  };
  const ended = async (engine: Workflows, id: string) => {
    for (let seen = 0; ; ) {
      const execution = await engine.waitForChange(id, seen, 20);
      if (execution?.state === "completed" || execution?.state === "failed") return execution;
      seen = execution?.history.length ?? 0;
    }
  };

  test("says on the log what a step threw, and nothing on the console", async () => {
    const lines: string[] = [];
    const written = vi.spyOn(process.stdout, "write");
    const engine = await open(
      { name: "logged", steps: steps(1, () => Promise.reject(fault("E_QUOTA", "There is no room."))) },
      { log: ({ level, message }) => lines.push(`${level} ${message}`) },
    );
    await engine.start("logged", "logged-1", {});
    await ended(engine, "logged-1");
    expect(lines).toContainEqual(
      expect.stringMatching(/^error logged-1: run s0: UserError: There is no room\./),
    );
    expect(written.mock.calls.filter(([text]) => String(text).includes("DBOS"))).toEqual([]);
    written.mockRestore();
  });

  test("pauses between attempts by the clock, and a stop does not wait for the pause's end", async () => {
    const fakeClock = createFakeClock();
    let attempts = 0;
    const run = async () => {
      attempts++;
      throw new Error("not yet");
    };
    const engine = await open({ name: "paused", steps: steps(1, run) }, { clock: fakeClock });
    await engine.start("paused", "paused-1", {});
    await fakeClock.untilSleeping();
    expect(attempts).toBe(1);
    await fakeClock.advance(200);
    expect(attempts).toBe(2);
    await fakeClock.advance(399);
    expect(attempts).toBe(2);
    await fakeClock.advance(1);
    expect(attempts).toBe(3);
    await engine.stop();
    const next = await open({ name: "paused", steps: steps(1) });
    // The stop was not taken for a failure of the step.
    expect(await ended(next, "paused-1")).toMatchObject({ state: "completed" });
  });

  test("refuses a second engine in the process, and a workflow registered too late", async () => {
    const engine = await open({ name: "only", steps: [] });
    const second = createWorkflows({ connection: connectionTo(database), name: "eu-test-2", clock });
    await expect(second.launch()).rejects.toMatchObject({ code: "E_INTERNAL" });
    expect(() => engine.register({ name: "late", steps: [] })).toThrow("after the launch");
  });

  test("a release that changes the steps goes on with what is under way, and leaves what has ended as it was", async () => {
    const first = await open({
      name: "changing",
      steps: steps(3, async (step) => {
        if (step === "s2") throw new Error("the old release never gets this done");
      }).map((step) => ({
        ...step,
        retry: { maxAttempts: 1000, initialIntervalSeconds: 0.05, backoffRate: 1 },
      })),
    });
    await first.start("changing", "changing-1", {});
    await first.waitForChange("changing-1", 1, 20);
    await first.stop();
    const [s0, s1, s2] = steps(3);
    const inserted = { name: "inserted", title: "Inserted", run: async () => null };
    const second = await open({ name: "changing", steps: [s0!, inserted, s1!, s2!] });
    const execution = await ended(second, "changing-1");
    expect(execution.history.map((event) => event.step)).toEqual(["s0", "s1", "inserted", "s2"]);
    await second.stop();
    const third = await open({
      name: "changing",
      steps: [s0!, inserted, s1!, s2!, { ...inserted, name: "newest" }],
    });
    expect(await third.describe("changing-1")).toMatchObject({ state: "completed", history: { length: 4 } });
  });

  test("waits out a database that takes no connections, and loses nothing", async () => {
    const engine = await open({
      name: "outage",
      steps: steps(3, async (step) => {
        if (step !== "s1") return;
        await database.pool.query(
          "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'rowhouse workflows%'",
        );
      }),
    });
    await engine.start("outage", "outage-1", {});
    const execution = await ended(engine, "outage-1");
    expect(execution.history.map((event) => event.type)).toEqual([
      "stepCompleted",
      "stepCompleted",
      "stepCompleted",
    ]);
    await expect.poll(async () => (await engine.describe("outage-1"))?.state).toBe("completed");
  });

  test("who asks while the database is away is told so after a while", async () => {
    const fakeClock = createFakeClock();
    const relay = createServer((socket) => {
      const upstream = connect(database.port, database.host);
      socket.on("error", () => {}).pipe(upstream);
      upstream.on("error", () => {}).pipe(socket);
    });
    const port = await freePort();
    relay.listen(port, "127.0.0.1");
    const sockets = new Set<Socket>();
    relay.on("connection", (socket) => sockets.add(socket));
    const endpoint = { nodes: [{ host: "127.0.0.1", port }] };
    const engine = await open(
      { name: "away", steps: steps(1) },
      { clock: fakeClock, connection: { ...connectionTo(database), endpoint } },
    );
    relay.close();
    for (const socket of sockets) socket.destroy();
    const unavailable = { code: "E_DATABASE_UNAVAILABLE" };
    const asked = [engine.describe("away-1"), engine.list({}), engine.start("away", "away-1", {})];
    const told = Promise.all(asked.map((answer) => expect(answer).rejects.toMatchObject(unavailable)));
    await fakeClock.untilSleeping(3);
    await fakeClock.advance(10_000);
    await told;
    relay.listen(port, "127.0.0.1");
    // What was asked for is done all the same, and asking again finds it.
    await expect
      .poll(
        () =>
          engine.describe("away-1").then(
            (found) => found?.state,
            () => "away",
          ),
        { timeout: 20_000 },
      )
      .toBe("completed");
    await engine.start("away", "away-1", {});
    await engine.stop();
    relay.close();
  });

  test("a launch without a database fails, and can be repeated when there is one", async () => {
    const port = await freePort();
    const nodes = [{ host: database.host, port }];
    const engine = createWorkflows({
      connection: { ...connectionTo(database), endpoint: { nodes } },
      name: "eu-test-2",
      clock,
    });
    engine.register({ name: "late", steps: steps(1) });
    await expect(engine.launch()).rejects.toMatchObject({ code: "E_DATABASE_UNAVAILABLE" });
    nodes[0]!.port = database.port;
    await engine.launch();
    workflows = engine;
    await engine.start("late", "late-1", {});
    expect(await ended(engine, "late-1")).toMatchObject({ state: "completed" });
  });

  test("follows the node that takes writes", async () => {
    const { host, port } = database;
    const nodes = [
      { host, port: await freePort() },
      { host, port },
    ];
    const engine = await open(
      { name: "followed", steps: steps(1) },
      { connection: { ...connectionTo(database), endpoint: { nodes } } },
    );
    await engine.start("followed", "followed-1", {});
    expect(await ended(engine, "followed-1")).toMatchObject({ state: "completed" });
  });

  test("runs a workflow again from its records when an event could not be recorded", async () => {
    const lines: string[] = [];
    let runs = 0;
    const engine = await open(
      {
        name: "unrecorded",
        steps: steps(2, async (step) => {
          if (step === "s0" || ++runs > 1) return;
          // A fault that DBOS takes for final, unlike a lost connection.
          await database.pool.query(
            "ALTER TABLE dbos.operation_outputs ADD CONSTRAINT nothing CHECK (function_id < 1) NOT VALID",
          );
        }),
      },
      { log: ({ message }) => lines.push(message) },
    );
    await engine.start("unrecorded", "unrecorded-1", {});
    await expect
      .poll(() => lines.some((line) => line.startsWith("unrecorded-1: could not be recorded")))
      .toBe(true);
    await database.pool.query("ALTER TABLE dbos.operation_outputs DROP CONSTRAINT nothing");
    const execution = await ended(engine, "unrecorded-1");
    expect(execution).toMatchObject({ state: "completed", history: { length: 2 } });
    expect(runs).toBe(2);
  });
});
