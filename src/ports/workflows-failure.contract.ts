import { expect, test } from "vitest";
import { patienceSeconds, type ScriptedSagas } from "../../test/support/scripted-sagas.ts";
import { fault } from "../core/error.ts";

/** The part of the contract about steps that fail and what is taken back then; registered by `workflowsContract`. */
export function failureContract({ begin, ended, outline, workflows }: ScriptedSagas): void {
  test("after a failure undoes newest first, the failed step too, and runs nothing else", async () => {
    const calls: string[] = [];
    const id = await begin({
      run: (step) => {
        calls.push(`run ${step}`);
        if (step === "three") throw fault("E_QUOTA", "There is no room.");
        return `result of ${step}`;
      },
      undo: (step, _, results) => void calls.push(`undo ${step} with ${Object.keys(results)}`),
    });
    const execution = await ended(id);
    expect(outline(execution)).toEqual([
      "stepCompleted one",
      "stepCompleted two",
      "stepFailed three",
      "stepUndone three",
      "stepUndone one",
    ]);
    expect(calls).toEqual([
      "run one",
      "run two",
      "run three",
      "undo three with one,two",
      "undo one with one,two",
    ]);
    expect(execution.state).toBe("failed");
    expect(execution.error).toEqual(fault("E_QUOTA", "There is no room.").toJSON());
    expect(execution.history[2]).toEqual({ type: "stepFailed", step: "three", error: execution.error });
  });

  test("shows the state undoing, and why, until all is taken back", async () => {
    const gate = Promise.withResolvers<void>();
    const id = await begin({
      run: (step) => {
        if (step === "two") throw fault("E_QUOTA");
      },
      undo: () => gate.promise,
    });
    const undoing = await workflows().waitForChange(id, 1, patienceSeconds);
    expect(undoing).toMatchObject({ state: "undoing", error: { code: "E_QUOTA" } });
    gate.resolve();
    expect(await ended(id)).toMatchObject({ state: "failed", error: { code: "E_QUOTA" } });
  });

  test("passes over an undo that keeps failing, and undoes the rest", async () => {
    const id = await begin({
      run: (step) => {
        if (step === "three") throw fault("E_QUOTA");
      },
      undo: (step) => {
        if (step === "three") throw new Error("can't be undone");
      },
    });
    const execution = await ended(id);
    expect(outline(execution)).toEqual([
      "stepCompleted one",
      "stepCompleted two",
      "stepFailed three",
      "undoFailed three",
      "stepUndone one",
    ]);
    expect(execution).toMatchObject({ state: "failed", error: { code: "E_QUOTA" } });
    expect(execution.history[3]).toMatchObject({
      error: { code: "E_INTERNAL", message: expect.stringContaining("can't be undone") },
    });
  });

  test("lets go of nothing that a step holds while an undo has failed, and names what is left", async () => {
    const id = await begin(
      {
        run: (step) => {
          if (step === "three") throw fault("E_QUOTA");
        },
        undo: (step) => {
          if (step === "three") throw new Error("can't be undone");
        },
      },
      "holding-saga",
    );
    const execution = await ended(id);
    expect(outline(execution)).toEqual([
      "stepCompleted one",
      "stepCompleted two",
      "stepFailed three",
      "undoFailed three",
    ]);
    expect(execution.notUndone).toEqual(["three", "one"]);
    expect((await workflows().describe(id))?.notUndone).toEqual(["three", "one"]);
  });

  test("tries again what fails, as often as the policy says", async () => {
    const attempts = { one: 0, two: 0, undo: 0 };
    const id = await begin({
      run: (step) => {
        if (step === "one" && ++attempts.one < 3) throw new Error("not yet");
        if (step === "two" && ++attempts.two) throw new Error("never");
      },
      undo: () => {
        if (++attempts.undo < 3) throw new Error("not yet");
      },
    });
    const execution = await ended(id);
    expect(outline(execution)).toEqual(["stepCompleted one", "stepFailed two", "stepUndone one"]);
    expect(execution.error).toMatchObject({
      code: "E_INTERNAL",
      message: expect.stringContaining("never"),
    });
    expect(attempts).toEqual({ one: 3, two: 3, undo: 3 });
  });

  test("does not try again what the user got wrong", async () => {
    let attempts = 0;
    const id = await begin({
      run: () => {
        attempts++;
        throw fault("E_TENANT_SLUG_TAKEN", 'The slug "acme" is taken.');
      },
    });
    expect(await ended(id)).toMatchObject({ state: "failed", error: { code: "E_TENANT_SLUG_TAKEN" } });
    expect(attempts).toBe(1);
  });

  test("a result that is no JSON fails the step", async () => {
    const id = await begin({ run: () => 1n });
    expect(await ended(id)).toMatchObject({ state: "failed", error: { code: "E_INTERNAL" } });
  });
}
