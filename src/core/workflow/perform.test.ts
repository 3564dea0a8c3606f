import { expect, test } from "vitest";
import { fault } from "../error.ts";
import { perform, toJson } from "./perform.ts";

function recorded() {
  const pauses: number[] = [];
  const thrown: unknown[] = [];
  const means = {
    pause: async (seconds: number) => void pauses.push(seconds),
    onFailure: (error: unknown) => void thrown.push(error),
  };
  return { pauses, thrown, means };
}

test("tries again after each pause, and gives the event of the attempt that ends it", async () => {
  const { pauses, thrown, means } = recorded();
  let attempts = 0;
  const run = async () => {
    if (++attempts < 3) throw new Error("not yet");
    return { at: new Date(0) };
  };
  const action = { type: "run", step: { name: "one", run }, input: {}, history: [] } as const;
  expect(await perform(action, means)).toEqual({
    type: "stepCompleted",
    step: "one",
    result: { at: "1970-01-01T00:00:00.000Z" },
  });
  expect(pauses).toEqual([0.2, 0.4]);
  expect(thrown).toEqual([]);
});

test("tells what the last attempt threw, of an undo too", async () => {
  const { pauses, thrown, means } = recorded();
  const refusal = fault("E_QUOTA", "There is no room.");
  const step = { name: "one", run: async () => {}, undo: async () => Promise.reject(refusal) };
  const event = await perform({ type: "undo", step, input: {}, history: [] }, means);
  expect(event).toEqual({ type: "undoFailed", step: "one", error: refusal.toJSON() });
  expect(pauses).toEqual([]);
  expect(thrown).toEqual([refusal]);
});

test("a pause that is broken off decides nothing about the step", async () => {
  const stopping = new Error("stopping");
  const run = () => Promise.reject(new Error("not yet"));
  const pause = () => Promise.reject(stopping);
  const onFailure = () => expect.unreachable();
  const action = { type: "run", step: { name: "one", run }, input: {}, history: [] } as const;
  await expect(perform(action, { pause, onFailure })).rejects.toBe(stopping);
});

test("nothing is null in JSON, and a bigint is refused", () => {
  expect(toJson(undefined)).toBeNull();
  expect(toJson({ gone: undefined })).toEqual({});
  expect(() => toJson(1n)).toThrow(TypeError);
});
