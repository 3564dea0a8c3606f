import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import {
  patienceSeconds,
  registerScriptedSagas,
  type Script,
  type ScriptedInput,
  scriptedSagas,
} from "../../test/support/scripted-sagas.ts";
import { fault } from "../core/error.ts";
import type { Workflows } from "./workflows.ts";
import { failureContract } from "./workflows-failure.contract.ts";

/**
 * What every workflow engine must do. `make` gives one that is not launched yet; `reopen` gives another one on the
 * same records, as the next process of the region would have it.
 */
export function workflowsContract(
  name: string,
  make: () => Promise<{
    readonly workflows: Workflows;
    readonly reopen: () => Promise<Workflows>;
    dispose(): Promise<void>;
  }>,
): void {
  describe(`${name}: workflows`, () => {
    let workflows: Workflows;
    let reopen: () => Promise<Workflows>;
    let dispose: () => Promise<void>;

    const sagas = scriptedSagas(() => workflows);
    const { begin, ended, outline, prepare } = sagas;
    const launch = async (engine: Workflows) => {
      registerScriptedSagas(engine);
      await engine.launch();
      workflows = engine;
    };
    beforeAll(async () => {
      const made = await make();
      ({ reopen, dispose } = made);
      await launch(made.workflows);
    });
    afterAll(async () => {
      await workflows.stop();
      await dispose();
    });

    test("runs the steps in order, each with the input and the results so far", async () => {
      const calls: unknown[] = [];
      const id = await begin({
        run: (step, input, results) => {
          calls.push([step, input, { ...results }]);
          return { [step]: true };
        },
      });
      const execution = await ended(id);
      expect(execution).toMatchObject({ id, workflow: "saga", input: { script: id }, state: "completed" });
      expect(execution.error).toBeUndefined();
      expect(execution.history).toEqual([
        { type: "stepCompleted", step: "one", result: { one: true } },
        { type: "stepCompleted", step: "two", result: { two: true } },
        { type: "stepCompleted", step: "three", result: { three: true } },
      ]);
      expect(calls).toEqual([
        ["one", { script: id }, {}],
        ["two", { script: id }, { one: { one: true } }],
        ["three", { script: id }, { one: { one: true }, two: { two: true } }],
      ]);
    });

    test("says when it was started", async () => {
      const before = Date.now();
      const id = await begin();
      const { startedAt } = await ended(id);
      // A clock of another machine may be a little off.
      expect(Math.abs(startedAt.getTime() - before)).toBeLessThan(60_000);
      expect((await workflows.describe(id))?.startedAt).toEqual(startedAt);
    });

    test("results are JSON: what JSON can't say is gone for the next step already", async () => {
      const seen: unknown[] = [];
      const id = await begin({
        run: (step, _, results) => {
          seen.push(results.one);
          return step === "one"
            ? { at: new Date(0), gone: undefined, text: "ü\u0000", list: [1.5, null] }
            : undefined;
        },
      });
      const { history } = await ended(id);
      const plain = { at: "1970-01-01T00:00:00.000Z", text: "ü\u0000", list: [1.5, null] };
      expect(history.map((event) => event.type === "stepCompleted" && event.result)).toEqual([
        plain,
        null,
        null,
      ]);
      expect(seen).toEqual([undefined, plain, plain]);
    });

    test("the same id starts once, while it runs and after it ended", async () => {
      let runs = 0;
      const script: Script = { run: () => ++runs };
      const id = await begin(script);
      await workflows.start("saga", id, { script: id });
      await ended(id);
      await workflows.start("saga", id, { script: id });
      expect(await ended(id)).toMatchObject({ state: "completed" });
      expect(runs).toBe(3);
    });

    test("of many who start the same id at once, all succeed and one starts it", async () => {
      let runs = 0;
      const id = prepare({ run: () => ++runs });
      await Promise.all(Array.from({ length: 6 }, () => workflows.start("saga", id, { script: id })));
      await ended(id);
      expect(runs).toBe(3);
    });

    test("refuses the same id with another input or for another workflow", async () => {
      const id = await begin();
      const reused = { code: "E_IDEMPOTENCY_KEY_REUSED" };
      await expect(workflows.start("saga", id, { script: "another" })).rejects.toMatchObject(reused);
      await expect(workflows.start("other-saga", id, { script: id })).rejects.toMatchObject(reused);
      await ended(id);
      await expect(workflows.start("saga", id, { script: "another" })).rejects.toMatchObject(reused);
      expect(await workflows.describe(id)).toMatchObject({ state: "completed", input: { script: id } });
    });

    test("refuses a workflow that nobody registered", async () => {
      await expect(workflows.start("unknown", `w-${randomUUID()}`, {})).rejects.toMatchObject({
        code: "E_NOT_FOUND",
      });
    });

    failureContract(sagas);

    test("knows nothing of an id that was never started", async () => {
      expect(await workflows.describe("w-unknown")).toBeUndefined();
      expect(await workflows.waitForChange("w-unknown", 0, 0)).toBeUndefined();
    });

    test("waitForChange gives each step as it ends, and what there is when the time is over", async () => {
      const gate = Promise.withResolvers<void>();
      const id = await begin({ run: (step) => (step === "two" ? gate.promise : step) });
      expect(outline(await workflows.waitForChange(id, 0, patienceSeconds))).toEqual(["stepCompleted one"]);
      expect(await workflows.waitForChange(id, 1, 0)).toMatchObject({
        state: "running",
        history: { length: 1 },
      });
      const waiting = workflows.waitForChange(id, 1, patienceSeconds);
      gate.resolve();
      expect(outline(await waiting)?.slice(0, 2)).toEqual(["stepCompleted one", "stepCompleted two"]);
      await ended(id);
      // What has ended will not change: no waiting, however much was seen.
      expect(await workflows.waitForChange(id, 99, patienceSeconds)).toMatchObject({ state: "completed" });
    });

    test("wakes all who wait for the same workflow", async () => {
      const gate = Promise.withResolvers<void>();
      const id = await begin({ run: (step) => (step === "one" ? gate.promise : step) });
      const waiting = Array.from({ length: 5 }, () => workflows.waitForChange(id, 2, patienceSeconds));
      gate.resolve();
      for (const execution of await Promise.all(waiting)) expect(execution?.history).toHaveLength(3);
    });

    test("forgets what has ended, and refuses to forget what is under way", async () => {
      const gate = Promise.withResolvers<void>();
      const id = await begin({ run: (step) => (step === "two" ? gate.promise : step) });
      await workflows.waitForChange(id, 0, patienceSeconds);
      await expect(workflows.forget(id)).rejects.toMatchObject({ code: "E_CONFLICT" });
      gate.resolve();
      const execution = await ended(id);
      // Its outcome may be written down a moment after it was shown.
      await expect
        .poll(() => workflows.forget(id).then(() => workflows.describe(id)), { timeout: 10_000 })
        .toBeUndefined();
      expect(await workflows.waitForChange(id, 0, 0)).toBeUndefined();
      await expect
        .poll(async () => (await workflows.list({})).map((listed) => listed.id), { timeout: 10_000 })
        .not.toContain(execution.id);
      await workflows.forget(id);
      await workflows.forget("w-unknown");
    });

    test("runs many at the same time, each by itself", async () => {
      const gates = Promise.withResolvers<void>();
      const ids = await Promise.all(
        Array.from({ length: 8 }, () =>
          begin({
            run: async (step, input) => {
              await gates.promise;
              return `${step} of ${(input as ScriptedInput).script}`;
            },
          }),
        ),
      );
      gates.resolve();
      for (const id of ids) {
        const { history } = await ended(id);
        expect(history.map((event) => event.type === "stepCompleted" && event.result)).toEqual(
          ["one", "two", "three"].map((step) => `${step} of ${id}`),
        );
      }
    });

    test("lists the newest first, of one workflow, up to a limit", async () => {
      const ids: string[] = [];
      for (let n = 0; n < 3; n++) {
        ids.unshift(await begin({}, "other-saga"));
        await ended(ids[0]!);
      }
      // A store of closed executions may be a little late.
      const listed = (limit: number) => async () =>
        (await workflows.list({ workflow: "other-saga", limit })).map((execution) => execution.id);
      await expect.poll(listed(2), { timeout: 10_000 }).toEqual(ids.slice(0, 2));
      await expect.poll(listed(100), { timeout: 10_000 }).toEqual(ids);
      const [newest] = await workflows.list({ workflow: "other-saga", limit: 1 });
      expect(newest).toEqual(await workflows.describe(ids[0]!));
      expect((await workflows.list({})).some((execution) => execution.workflow === "saga")).toBe(true);
    });

    test("what a stop interrupts is resumed by the next engine, without repeating what is recorded", async () => {
      const calls: string[] = [];
      let interrupted = true;
      const completing = await begin(
        {
          run: (step) => {
            if (step === "two" && interrupted) throw new Error("not before the next engine");
            calls.push(step);
            return step;
          },
        },
        "patient-saga",
      );
      const failing = await begin(
        {
          run: (step) => {
            calls.push(`failing ${step}`);
            if (step === "two") throw fault("E_QUOTA");
          },
          undo: (step) => {
            if (interrupted) throw new Error("not before the next engine");
            calls.push(`undo ${step}`);
          },
        },
        "patient-saga",
      );
      await workflows.waitForChange(completing, 0, patienceSeconds);
      await workflows.waitForChange(failing, 1, patienceSeconds);
      await workflows.stop();
      expect(calls.toSorted()).toEqual(["failing one", "failing two", "one"]);
      calls.length = 0;
      interrupted = false;
      await launch(await reopen());
      const completed = await ended(completing);
      expect(completed.state).toBe("completed");
      expect(outline(completed)).toEqual(["stepCompleted one", "stepCompleted two", "stepCompleted three"]);
      expect(outline(await ended(failing))).toEqual([
        "stepCompleted one",
        "stepFailed two",
        "stepUndone one",
      ]);
      expect(calls.toSorted()).toEqual(["three", "two", "undo one"]);
    });
  });
}
