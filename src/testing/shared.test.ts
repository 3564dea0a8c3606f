import { expect, it } from "vitest";
import { Shared } from "./shared.ts";

function counted() {
  const events: string[] = [];
  let made = 0;
  const shared = new Shared(
    async () => {
      events.push(`open ${++made}`);
      await new Promise(setImmediate);
      return made;
    },
    async (opened) => {
      await new Promise(setImmediate);
      events.push(`close ${opened}`);
    },
  );
  return { shared, events };
}

it("is opened once for all, and closed by the last", async () => {
  const { shared, events } = counted();
  expect(await Promise.all([shared.acquire(), shared.acquire()])).toEqual([1, 1]);
  await shared.release();
  expect(events).toEqual(["open 1"]);
  await shared.release();
  expect(events).toEqual(["open 1", "close 1"]);
});

it("is opened anew only when it was closed", async () => {
  const { shared, events } = counted();
  await shared.acquire();
  const closing = shared.release();
  expect(await shared.acquire()).toBe(2);
  await closing;
  expect(events).toEqual(["open 1", "close 1", "open 2"]);
});

it("is tried again after it failed", async () => {
  let attempts = 0;
  const shared = new Shared(
    async () => {
      if (++attempts === 1) throw new Error("not yet");
      return attempts;
    },
    async () => {},
  );
  const results = await Promise.allSettled([shared.acquire(), shared.acquire()]);
  expect(results.map(({ status }) => status)).toEqual(["rejected", "rejected"]);
  expect(await shared.acquire()).toBe(2);
});
