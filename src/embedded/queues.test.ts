import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createTestDatabase, type TestDatabase } from "../../test/support/database.ts";
import { createFakeClock, type FakeClock } from "../../test/support/fake-clock.ts";
import { createSystemClock } from "../node/clock.ts";
import { queuesContract } from "../ports/queues.contract.ts";
import type { Queues } from "../ports/queues.ts";
import { createQueues, prepareQueues } from "./queues.ts";

queuesContract("embedded", async () => {
  const database = await createTestDatabase();
  await prepareQueues(database.pool);
  const clock = createFakeClock();
  return {
    queues: createQueues({ pool: database.pool, clock }),
    passTime: (seconds) => clock.advance(seconds * 1000),
    dispose: () => database.drop(),
  };
});

describe("queues in a table", () => {
  let database: TestDatabase;
  let clock: FakeClock;
  let queues: Queues;
  beforeAll(async () => {
    database = await createTestDatabase();
    await prepareQueues(database.pool);
    clock = createFakeClock();
    queues = createQueues({ pool: database.pool, clock });
  });
  afterAll(() => database.drop());

  const newQueue = async () => {
    const queue = randomUUID();
    await queues.ensure(queue, { visibilityTimeoutSeconds: 30, maxReceives: 3 });
    return queue;
  };

  test("delivers in the order of sending", async () => {
    const queue = await newQueue();
    for (const body of ["a", "b", "c"]) {
      await queues.send(queue, body);
      await clock.advance(1);
    }
    const order: string[] = [];
    for (let n = 0; n < 3; n++)
      order.push(...(await queues.receive(queue, { max: 1 })).map((message) => message.body));
    expect(order).toEqual(["a", "b", "c"]);
  });

  test("a waiting receiver gives up after its time", async () => {
    const queue = await newQueue();
    let received: unknown;
    const waiting = queues.receive(queue, { max: 1, waitSeconds: 5 }).then((messages) => {
      received = messages;
    });
    const poll = async () => {
      await clock.untilSleeping();
      await clock.advance(200);
    };
    for (let passed = 200; passed < 5000; passed += 200) await poll();
    expect(received).toBeUndefined();
    await poll();
    await waiting;
    expect(received).toEqual([]);
  });

  test("a message of another process reaches a waiting receiver within the poll", async () => {
    const queue = await newQueue();
    const receiver = createQueues({ pool: database.pool, clock: createSystemClock() });
    const waiting = receiver.receive(queue, { max: 1, waitSeconds: 20 });
    const sender = createQueues({ pool: database.pool, clock: createSystemClock() });
    await sender.send(queue, "from elsewhere");
    expect((await waiting).map((message) => message.body)).toEqual(["from elsewhere"]);
  });

  test("closing ends all waiting", async () => {
    const queue = await newQueue();
    const closing = createQueues({ pool: database.pool, clock });
    const waiting = Promise.all([1, 2].map(() => closing.receive(queue, { max: 1, waitSeconds: 20 })));
    await clock.untilSleeping(2);
    await closing.close();
    expect(await waiting).toEqual([[], []]);
  });

  test("a delivery whose time is over can't be extended, but is still acknowledged while nobody else has it", async () => {
    const queue = await newQueue();
    await queues.send(queue, "late");
    const [message] = await queues.receive(queue, { max: 1 });
    await clock.advance(31_000);
    await queues.changeVisibility(queue, message!.receipt, 600);
    expect(await queues.depth(queue)).toMatchObject({ visible: 1, inFlight: 0 });
    await queues.acknowledge(queue, message!.receipt);
    expect(await queues.depth(queue)).toMatchObject({ visible: 0 });
  });

  test("dead letters come oldest first, and only as many as asked for are redriven", async () => {
    const queue = randomUUID();
    await queues.ensure(queue, { visibilityTimeoutSeconds: 1, maxReceives: 1 });
    for (const body of ["a", "b", "c"]) {
      await queues.send(queue, body);
      await queues.receive(queue, { max: 1 });
      await clock.advance(1500);
    }
    expect(await queues.depth(queue)).toEqual({ visible: 0, inFlight: 0, delayed: 0, dead: 3 });
    const bodies = async (options: { max: number; redrive?: boolean }) =>
      (await queues.deadLetters(queue, options)).map((letter) => letter.body);
    expect(await bodies({ max: 2 })).toEqual(["a", "b"]);
    expect(await bodies({ max: 2, redrive: true })).toEqual(["a", "b"]);
    expect(await bodies({ max: 10 })).toEqual(["c"]);
    expect(await queues.depth(queue)).toEqual({ visible: 2, inFlight: 0, delayed: 0, dead: 1 });
  });

  test("forgets after 14 days what nobody wanted", async () => {
    const queue = await newQueue();
    await queues.send(queue, "old");
    await clock.advance(13.9 * 86_400_000);
    await queues.ensure(queue, { visibilityTimeoutSeconds: 30, maxReceives: 3 });
    expect(await queues.depth(queue)).toMatchObject({ visible: 1 });
    await clock.advance(0.2 * 86_400_000);
    await queues.ensure(queue, { visibilityTimeoutSeconds: 30, maxReceives: 3 });
    expect(await queues.depth(queue)).toMatchObject({ visible: 0 });
  });

  test("refuses what no delivery had as its receipt", async () => {
    const queue = await newQueue();
    await expect(queues.acknowledge(queue, "x' OR true --")).rejects.toMatchObject({ code: "E_ARGUMENT" });
  });
});
