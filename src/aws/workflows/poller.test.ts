import { afterEach, expect, test } from "vitest";
import { createFakeClock } from "../../../test/support/fake-clock.ts";
import { Poller } from "./poller.ts";

const cleanups: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0)) await cleanup();
});

/** A poller whose polls the test answers, in the order in which they were made. */
function createPoller(concurrency = 10) {
  const clock = createFakeClock();
  const open: PromiseWithResolvers<string | undefined>[] = [];
  const handled: PromiseWithResolvers<void>[] = [];
  const log: string[] = [];
  const poller = new Poller<string>({
    poll: (signal) => {
      const answer = Promise.withResolvers<string | undefined>();
      signal.addEventListener("abort", () => answer.reject(signal.reason));
      open.push(answer);
      return answer.promise;
    },
    handle: () => {
      const done = Promise.withResolvers<void>();
      handled.push(done);
      return done.promise;
    },
    concurrency,
    clock,
    log: ({ level, message }) => log.push(`${level} ${message}`),
  });
  cleanups.push(() => {
    for (const { resolve } of handled) resolve();
    return poller.stop();
  });
  poller.start();
  return { poller, clock, open, handled, log };
}

test("asks again at once after a task, and after a long wait that brought none", async () => {
  const { open, clock, handled } = createPoller();
  open[0]!.resolve("task");
  await expect.poll(() => open.length).toBe(2);
  expect(handled).toHaveLength(1);
  await clock.advance(60_000);
  open[1]!.resolve(undefined);
  await clock.untilSleeping();
  await clock.advance(1);
  expect(open).toHaveLength(3);
});

test("does not spin when empty answers come fast", async () => {
  const { open, clock } = createPoller();
  open[0]!.resolve(undefined);
  await clock.untilSleeping();
  await clock.advance(999);
  expect(open).toHaveLength(1);
  await clock.advance(1);
  expect(open).toHaveLength(2);
});

test("a nudge asks past a poll that brings nothing, and leaves one poll when it is quiet again", async () => {
  const { poller, open, clock } = createPoller();
  await clock.advance(5000);
  poller.nudge();
  poller.nudge();
  await clock.advance(25);
  expect(open).toHaveLength(2);
  open[0]!.resolve(undefined);
  await clock.advance(2000);
  expect(open).toHaveLength(2);
  open[1]!.resolve(undefined);
  await clock.untilSleeping();
  await clock.advance(2000);
  expect(open).toHaveLength(3);
});

test("a nudge is needless when another poll was made since", async () => {
  const { poller, open, clock } = createPoller();
  await clock.advance(5000);
  poller.nudge();
  await clock.advance(1);
  open[0]!.resolve("task");
  await expect.poll(() => open.length).toBe(2);
  await clock.advance(1000);
  expect(open).toHaveLength(2);
});

test("has eight polls open at most", async () => {
  const { poller, open, clock } = createPoller();
  for (let n = 0; n < 20; n++) {
    await clock.advance(100);
    poller.nudge();
  }
  await clock.advance(100);
  expect(open).toHaveLength(8);
});

test("takes no more than it may have in hand", async () => {
  const { open, handled } = createPoller(2);
  open[0]!.resolve("one");
  await expect.poll(() => open.length).toBe(2);
  open[1]!.resolve("two");
  await expect.poll(() => handled.length).toBe(2);
  expect(open).toHaveLength(2);
  handled[0]!.resolve();
  await expect.poll(() => open.length).toBe(3);
});

test("pauses longer and longer while polls fail, says so, and goes on", async () => {
  const { open, clock, log } = createPoller();
  for (const [failures, pauseMilliseconds] of [500, 1000, 2000].entries()) {
    open[failures]!.reject(new Error("unreachable"));
    await clock.untilSleeping();
    await clock.advance(pauseMilliseconds - 1);
    expect(open).toHaveLength(failures + 1);
    await clock.advance(1);
    expect(open).toHaveLength(failures + 2);
  }
  expect(log).toHaveLength(3);
  expect(log[0]).toMatch(/^warn A poll of SWF failed: Error: unreachable/);
});

test("a task that fails is told, and the next one is done", async () => {
  const { open, handled, log } = createPoller();
  open[0]!.resolve("task");
  await expect.poll(() => handled.length).toBe(1);
  handled[0]!.reject(new Error("broken"));
  await expect.poll(() => log).toEqual([expect.stringMatching(/^error Error: broken/)]);
  open[1]!.resolve("task");
  await expect.poll(() => handled.length).toBe(2);
});

test("a stop breaks off its polls and waits for what is in hand", async () => {
  const { poller, open, handled } = createPoller();
  open[0]!.resolve("task");
  await expect.poll(() => handled.length).toBe(1);
  let stopped = false;
  const stopping = poller.stop().then(() => (stopped = true));
  await expect(open[1]!.promise).rejects.toThrow();
  expect(stopped).toBe(false);
  handled[0]!.resolve();
  await stopping;
  poller.nudge();
  expect(open).toHaveLength(2);
});
