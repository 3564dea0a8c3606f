import { randomBytes } from "node:crypto";
import {
  DeprecateActivityTypeCommand,
  DeprecateDomainCommand,
  DeprecateWorkflowTypeCommand,
  DescribeDomainCommand,
  GetWorkflowExecutionHistoryCommand,
  ListClosedWorkflowExecutionsCommand,
  ListTagsForResourceCommand,
  StartWorkflowExecutionCommand,
  SWFClient,
  TerminateWorkflowExecutionCommand,
} from "@aws-sdk/client-swf";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { createWorkflowRegion } from "../../test/support/aws/workflow-region.ts";
import { freePort } from "../../test/support/postgres-server.ts";
import { survivesDeaths } from "../../test/support/saga-deaths.ts";
import { fault } from "../core/error.ts";
import { workflowsContract } from "../ports/workflows.contract.ts";
import type { WorkflowDefinition, Workflows } from "../ports/workflows.ts";
import { createAwsClient } from "./client.ts";
import { actionType, recordFormat, workflowTypeOf } from "./workflows/registration.ts";
import type { WorkflowsOptions } from "./workflows.ts";

workflowsContract("aws", async () => {
  const region = await createWorkflowRegion();
  return { workflows: region.open(), reopen: async () => region.open(), dispose: region.dispose };
});

survivesDeaths("aws", async () => {
  const { place, dispose } = await createWorkflowRegion();
  return { aws: place, dispose };
});

describe("an engine on SWF", () => {
  let region: Awaited<ReturnType<typeof createWorkflowRegion>>;
  const engines: Workflows[] = [];
  beforeAll(async () => {
    region = await createWorkflowRegion();
  });
  afterEach(async () => {
    for (const engine of engines.splice(0)) await engine.stop();
  });
  afterAll(() => region.dispose());

  const saga = (name: string, run: (step: string) => unknown, count = 1): WorkflowDefinition<unknown> => ({
    name,
    steps: Array.from({ length: count }, (_, index) => ({
      name: `s${index}`,
      title: `Step ${index}`,
      run: async () => run(`s${index}`),
    })),
  });
  const open = async (definition: WorkflowDefinition<unknown>, options: Partial<WorkflowsOptions> = {}) => {
    const engine = region.open(options);
    engine.register(definition);
    await engine.launch();
    engines.push(engine);
    return engine;
  };
  const ended = async (engine: Workflows, id: string) => {
    for (let seen = 0; ; ) {
      const execution = await engine.waitForChange(id, seen, 20);
      if (!execution) throw new Error(`${id} is not known`);
      if (execution.state === "completed" || execution.state === "failed") return execution;
      if (execution.history.length === seen) throw new Error(`${id} stands still`);
      seen = execution.history.length;
    }
  };
  const recordOf = (id: string) => region.parts.registry.get("workflows", id);
  const swfHistory = async (id: string) => {
    const runId = String((await recordOf(id))?.attributes.runId);
    const { client, domain } = region.parts;
    const execution = { workflowId: id, runId };
    return client.send(new GetWorkflowExecutionHistoryCommand({ domain, execution }));
  };
  /** As a start that raced with another, or came after a crash, may leave it. */
  const startAnotherRun = async (workflow: string, id: string) => {
    const { client, domain, name } = region.parts;
    const command = new StartWorkflowExecutionCommand({
      domain,
      workflowId: id,
      workflowType: workflowTypeOf(workflow),
      taskList: { name },
      executionStartToCloseTimeout: "3600",
      taskStartToCloseTimeout: "10",
      childPolicy: "TERMINATE",
    });
    return (await client.send(command)).runId;
  };

  test("a second run of an id cancels itself before its first step", async () => {
    let runs = 0;
    const engine = await open(saga("once", () => ++runs));
    await engine.start("once", "once-1", {});
    const execution = await ended(engine, "once-1");
    const runId = await startAnotherRun("once", "once-1");
    const { client, domain } = region.parts;
    const canceled = async () => {
      const closed = await client.send(
        new ListClosedWorkflowExecutionsCommand({ domain, startTimeFilter: { oldestDate: new Date(0) } }),
      );
      return closed.executionInfos?.find((info) => info.execution?.runId === runId)?.closeStatus;
    };
    await expect.poll(canceled, { timeout: 20_000 }).toBe("CANCELED");
    expect(runs).toBe(1);
    expect(await engine.describe("once-1")).toEqual(execution);
    await expect.poll(() => engine.list({ workflow: "once" }), { timeout: 10_000 }).toEqual([execution]);
  });

  test("a run that the registry knows nothing of cancels itself", async () => {
    const engine = await open(saga("stray", () => expect.unreachable()));
    const runId = await startAnotherRun("stray", "stray-1");
    const { client, domain } = region.parts;
    const execution = { workflowId: "stray-1", runId };
    const last = async () =>
      (await client.send(new GetWorkflowExecutionHistoryCommand({ domain, execution }))).events?.at(-1);
    await expect
      .poll(async () => (await last())?.eventType, { timeout: 20_000 })
      .toBe("WorkflowExecutionCanceled");
    expect(await engine.describe("stray-1")).toBeUndefined();
  });

  test("what could not be started is unknown, and is started by asking again with the same input only", async () => {
    let runs = 0;
    const definition = saga("late", () => ++runs);
    const engine = await open(definition);
    const endpoint = `http://127.0.0.1:${await freePort()}`;
    const client = createAwsClient(SWFClient, { ...region.place.access, endpoint }, { maxAttempts: 1 });
    const cutOff = region.open({ client });
    cutOff.register(definition);
    await expect(cutOff.start("late", "late-1", { a: 1, b: 2 })).rejects.toMatchObject({
      code: "E_AWS_UNAVAILABLE",
    });
    expect(await engine.describe("late-1")).toBeUndefined();
    await expect(engine.start("late", "late-1", { a: 2 })).rejects.toMatchObject({
      code: "E_IDEMPOTENCY_KEY_REUSED",
    });
    await engine.start("late", "late-1", { b: 2, a: 1 });
    expect(await ended(engine, "late-1")).toMatchObject({ state: "completed", input: { a: 1, b: 2 } });
    expect(runs).toBe(1);
  });

  test("nothing that a workflow is told or returns can be read in SWF or in the registry", async () => {
    const canary = "Ada Lovelace";
    const definition: WorkflowDefinition<unknown> = {
      name: "sealed",
      steps: [
        { name: "create", title: "", run: async () => ({ login: canary }) },
        {
          name: "tell",
          title: "",
          run: async () => Promise.reject(fault("E_QUOTA", `No room for ${canary}.`)),
        },
      ],
    };
    const engine = await open(definition);
    await engine.start("sealed", "sealed-1", { name: canary });
    const execution = await ended(engine, "sealed-1");
    expect(JSON.stringify(execution).split(canary)).toHaveLength(5);
    const stored = JSON.stringify([await swfHistory("sealed-1"), await recordOf("sealed-1")]);
    expect(stored).toContain("create");
    expect(stored).toContain("E_QUOTA");
    expect(stored).not.toContain(canary);
  });

  test("takes long results that can be made short, and says which one is too long", async () => {
    const lines: string[] = [];
    const long = randomBytes(60_000).toString("base64");
    const engine = await open(
      saga("long", (step) => (step === "s0" ? "a line again and again\n".repeat(20_000) : long), 2),
      { log: ({ level, message }) => lines.push(`${level} ${message}`) },
    );
    await engine.start("long", "long-1", {});
    const execution = await ended(engine, "long-1");
    expect(execution).toMatchObject({
      state: "failed",
      error: { code: "E_INTERNAL", message: expect.stringMatching(/"s1" has \d+ characters .* takes 32768/) },
    });
    expect(execution.history[0]).toMatchObject({ type: "stepCompleted", step: "s0" });
    expect(lines).toContainEqual(expect.stringMatching(/^error long-1: The result of the step "s1"/));
    await expect(
      engine.start("long", "long-2", { text: randomBytes(200_000).toString("base64") }),
    ).rejects.toMatchObject({ code: "E_ARGUMENT" });
    expect(await engine.describe("long-2")).toBeUndefined();
  });

  test("cuts an error that is too long to be kept", async () => {
    const engine = await open(
      saga("wordy", () => {
        throw fault("E_QUOTA", `No: ${randomBytes(60_000).toString("base64")}`);
      }),
    );
    await engine.start("wordy", "wordy-1", {});
    const { error } = await ended(engine, "wordy-1");
    expect(error).toMatchObject({ code: "E_QUOTA", message: expect.stringMatching(/^No: .{3996}…$/) });
  });

  test("takes ids that SWF does not", async () => {
    const id = "eu:arn/ü|1";
    const engine = await open(saga("named", (step) => step));
    await engine.start("named", id, {});
    const execution = await ended(engine, id);
    expect(execution).toMatchObject({ id, state: "completed" });
    const listed = async () => (await engine.list({ workflow: "named" })).map((found) => found.id);
    await expect.poll(listed, { timeout: 10_000 }).toEqual([id]);
  });

  test("a launch makes a domain with the prefix's tag, and takes up what somebody has deprecated", async () => {
    const definition = saga("deprecated", (step) => step);
    await open(definition);
    const { client, domain } = region.parts;
    const { domainInfo, configuration } = await client.send(new DescribeDomainCommand({ name: domain }));
    expect(configuration).toEqual({ workflowExecutionRetentionPeriodInDays: "90" });
    const { tags } = await client.send(new ListTagsForResourceCommand({ resourceArn: domainInfo?.arn }));
    expect(tags).toEqual([{ key: "rowhouse:prefix", value: domain }]);
    await engines.pop()?.stop();
    const activityType = { ...actionType };
    const workflowType = { name: "deprecated", version: recordFormat };
    await client.send(new DeprecateActivityTypeCommand({ domain, activityType }));
    await client.send(new DeprecateWorkflowTypeCommand({ domain, workflowType }));
    await client.send(new DeprecateDomainCommand({ name: domain }));
    const engine = await open(definition);
    await engine.start("deprecated", "deprecated-1", {});
    expect(await ended(engine, "deprecated-1")).toMatchObject({ state: "completed" });
  });

  test("another process follows a workflow that it does not work on", async () => {
    const gate = Promise.withResolvers<void>();
    const definition = saga("followed", (step) => (step === "s1" ? gate.promise : step), 2);
    const engine = await open(definition);
    const other = await open(definition, { name: "eu-test-2" });
    await engine.start("followed", "followed-1", {});
    expect((await other.waitForChange("followed-1", 0, 20))?.history).toHaveLength(1);
    const waiting = other.waitForChange("followed-1", 1, 20);
    gate.resolve();
    expect(await waiting).toMatchObject({ history: { length: 2 } });
    expect(await ended(other, "followed-1")).toMatchObject({ state: "completed" });
  });

  test("a run that an operator terminates has failed, and says so", async () => {
    const gate = Promise.withResolvers<void>();
    const engine = await open(saga("ended", () => gate.promise));
    await engine.start("ended", "ended-1", {});
    const { client, domain } = region.parts;
    await client.send(new TerminateWorkflowExecutionCommand({ domain, workflowId: "ended-1" }));
    const message = expect.stringContaining("ended from outside");
    await expect
      .poll(() => engine.describe("ended-1"), { timeout: 10_000 })
      .toMatchObject({ state: "failed", error: { code: "E_INTERNAL", message } });
    gate.resolve();
  });

  test("what has ended stays so when a release adds a step", async () => {
    const first = await open(saga("changing", (step) => step, 1));
    await first.start("changing", "changing-1", {});
    await ended(first, "changing-1");
    await first.stop();
    const second = await open(saga("changing", (step) => step, 2));
    expect(await second.describe("changing-1")).toMatchObject({ state: "completed", history: { length: 1 } });
  });

  test("an action that loses its worker again and again pauses between, and is no failure", async () => {
    const id = "lost-1";
    const eventTypes = async () => (await swfHistory(id)).events?.map((event) => event.eventType) ?? [];
    const lossesOf = async () =>
      (await eventTypes()).filter((type) => type === "ActivityTaskTimedOut").length;
    const client = createAwsClient(SWFClient, region.place.access, { maxAttempts: 1 });
    client.middlewareStack.add(
      (next, context) => (args) =>
        context.commandName === "RecordActivityTaskHeartbeatCommand"
          ? Promise.reject(new Error("lost"))
          : next(args),
      { step: "initialize" },
    );
    let runs = 0;
    const over = Promise.withResolvers<void>();
    const lines: string[] = [];
    const engine = await open(
      saga("lost", async () => {
        const run = ++runs;
        // Hangs, and only the missing heartbeat tells.
        if (run <= 4) await over.promise;
        return run;
      }),
      { client, heartbeatTimeoutSeconds: 1, log: ({ message }) => lines.push(message) },
    );
    await engine.start("lost", id, {});
    // Time passes in the emulator when somebody asks.
    await expect.poll(lossesOf, { timeout: 60_000 }).toBeGreaterThanOrEqual(4);
    const execution = await ended(engine, id);
    over.resolve();
    expect(execution.history).toEqual([{ type: "stepCompleted", step: "s0", result: 5 }]);
    expect(runs).toBe(5);
    expect(lines).toContain("lost-1: run s0 lost its worker 4 times; next in 2 s.");
    expect(await eventTypes()).toEqual(expect.arrayContaining(["TimerStarted", "TimerFired"]));
  });

  test("a stop breaks off a pause, and the next engine begins the step anew at once", async () => {
    const failed = Promise.withResolvers<void>();
    const retry = { maxAttempts: 2, initialIntervalSeconds: 3600, backoffRate: 1 };
    const definition = (run: () => Promise<unknown>) => ({
      name: "paused",
      steps: [{ name: "s0", title: "", retry, run }],
    });
    const first = await open(
      definition(async () => {
        failed.resolve();
        throw new Error("not before the next engine");
      }),
    );
    await first.start("paused", "paused-1", {});
    await failed.promise;
    await first.stop();
    const second = await open(definition(async () => "done"));
    expect(await ended(second, "paused-1")).toMatchObject({
      history: [{ type: "stepCompleted", result: "done" }],
    });
    const { events = [] } = await swfHistory("paused-1");
    expect(events.map((event) => event.activityTaskFailedEventAttributes?.reason)).toContain("Interrupted");
    expect(events.map((event) => event.eventType)).not.toContain("ActivityTaskTimedOut");
  });

  test("refuses a second launch, and a workflow registered too late", async () => {
    const engine = await open(saga("only", (step) => step));
    await expect(engine.launch()).rejects.toMatchObject({ code: "E_INTERNAL" });
    expect(() => engine.register(saga("too-late", (step) => step))).toThrow("after the launch");
  });
});
