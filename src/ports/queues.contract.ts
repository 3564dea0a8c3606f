import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type ContractSkips, skipCases } from "../../test/support/contract-skips.ts";
import type { QueueMessage, QueueOptions, Queues } from "./queues.ts";

const patience = { timeout: 20_000, interval: 50 };

/**
 * What every queue engine must do. `passTime` lets so many seconds go by, on a moved clock or really. Counts may lag
 * and a receive may miss what is there, so both are asked again.
 */
export function queuesContract(
  name: string,
  make: () => Promise<{
    readonly queues: Queues;
    readonly passTime: (seconds: number) => Promise<void>;
    dispose(): Promise<void>;
  }>,
  options: { readonly skip?: ContractSkips } = {},
): void {
  describe(`${name}: queues`, () => {
    skipCases(options.skip);
    let queues: Queues;
    let passTime: (seconds: number) => Promise<void>;
    let dispose: () => Promise<void>;
    beforeAll(async () => {
      ({ queues, passTime, dispose } = await make());
    });
    afterAll(async () => {
      await queues.close();
      await dispose();
    });

    const newQueue = async (options: Partial<QueueOptions> = {}) => {
      const queue = `contract-${randomUUID()}`;
      await queues.ensure(queue, { visibilityTimeoutSeconds: 30, maxReceives: 3, ...options });
      return queue;
    };
    const receiveOne = async (queue: string): Promise<QueueMessage> => {
      const received: QueueMessage[] = [];
      await expect
        .poll(async () => received.push(...(await queues.receive(queue, { max: 1 }))), patience)
        .toBe(1);
      return received[0]!;
    };
    const receiveAll = async (queue: string, count: number): Promise<QueueMessage[]> => {
      const received: QueueMessage[] = [];
      await expect
        .poll(async () => received.push(...(await queues.receive(queue, { max: 10 }))), patience)
        .toBe(count);
      return received;
    };
    const expectDepth = (queue: string, expected: Awaited<ReturnType<Queues["depth"]>>) =>
      expect.poll(() => queues.depth(queue), patience).toEqual(expected);
    const empty = { visible: 0, inFlight: 0, delayed: 0, dead: 0 };

    test("delivers a message with what was sent, and not again once it was acknowledged", async () => {
      const queue = await newQueue({ visibilityTimeoutSeconds: 1 });
      const body = JSON.stringify({ text: 'Größe "x" 🏠 <&>\n', tab: "\t" });
      const before = Date.now();
      const { id } = await queues.send(queue, body);
      const message = await receiveOne(queue);
      expect(message).toMatchObject({ id, body, receiveCount: 1 });
      expect(Math.abs(message.sentAt.getTime() - before)).toBeLessThan(60_000);
      await queues.acknowledge(queue, message.receipt);
      await passTime(2);
      expect(await queues.receive(queue, { max: 10 })).toEqual([]);
      await expectDepth(queue, empty);
    });

    test("takes a body of 262,144 bytes, and refuses what no queue takes", async () => {
      const queue = await newQueue();
      const body = "ü".repeat(131_072);
      await queues.send(queue, body);
      expect((await receiveOne(queue)).body).toBe(body);
      for (const wrong of ["", `${body}x`, "\u0000"]) {
        await expect(queues.send(queue, wrong)).rejects.toMatchObject({ code: "E_ARGUMENT" });
      }
      await expect(queues.send(queue, "x", { delaySeconds: 901 })).rejects.toMatchObject({
        code: "E_ARGUMENT",
      });
      await expect(queues.receive(queue, { max: 11 })).rejects.toMatchObject({ code: "E_ARGUMENT" });
      await expect(queues.receive(queue, { max: 1, waitSeconds: 21 })).rejects.toMatchObject({
        code: "E_ARGUMENT",
      });
      await expect(queues.changeVisibility(queue, "x", 43_201)).rejects.toMatchObject({ code: "E_ARGUMENT" });
      for (const wrong of ["a b", "jobs-dead"]) {
        await expect(
          queues.ensure(wrong, { visibilityTimeoutSeconds: 1, maxReceives: 1 }),
        ).rejects.toMatchObject({ code: "E_ARGUMENT" });
      }
    });

    test("knows no queue that was not ensured", async () => {
      const queue = `contract-${randomUUID()}`;
      const notFound = { code: "E_NOT_FOUND" };
      await expect(queues.send(queue, "x")).rejects.toMatchObject(notFound);
      await expect(queues.countOf(queue, "acme")).rejects.toMatchObject(notFound);
      await expect(queues.forget(queue, "acme")).rejects.toMatchObject(notFound);
      await expect(queues.receive(queue, { max: 1 })).rejects.toMatchObject(notFound);
      await expect(queues.depth(queue)).rejects.toMatchObject(notFound);
      await expect(queues.deadLetters(queue, { max: 1 })).rejects.toMatchObject(notFound);
    });

    test("keeps queues apart", async () => {
      const [one, other] = [await newQueue(), await newQueue()];
      await queues.send(one, "for one");
      expect((await receiveOne(one)).body).toBe("for one");
      expect(await queues.receive(other, { max: 10 })).toEqual([]);
    });

    test("receives up to max at a time, and each message once", async () => {
      const queue = await newQueue();
      const bodies = Array.from({ length: 12 }, (_, n) => `message ${n}`);
      await Promise.all(bodies.map((body) => queues.send(queue, body)));
      const first = await queues.receive(queue, { max: 2 });
      expect(first.length).toBeLessThanOrEqual(2);
      const received = [...first, ...(await receiveAll(queue, 12 - first.length))];
      expect(received.map((message) => message.body).toSorted()).toEqual(bodies.toSorted());
      await expectDepth(queue, { ...empty, inFlight: 12 });
    });

    test("gives a message to one of many who ask at once", async () => {
      const queue = await newQueue();
      await Promise.all(Array.from({ length: 20 }, (_, n) => queues.send(queue, `message ${n}`)));
      const received: QueueMessage[] = [];
      const receive = async () => {
        const batches = await Promise.all(Array.from({ length: 6 }, () => queues.receive(queue, { max: 5 })));
        return received.push(...batches.flat());
      };
      await expect.poll(receive, patience).toBe(20);
      expect(new Set(received.map((message) => message.body)).size).toBe(20);
    });

    test("delivers again what was not acknowledged within the visibility timeout", async () => {
      const queue = await newQueue({ visibilityTimeoutSeconds: 2 });
      await queues.send(queue, "again");
      const first = await receiveOne(queue);
      expect(await queues.receive(queue, { max: 10 })).toEqual([]);
      await passTime(2.5);
      const second = await receiveOne(queue);
      expect(second).toMatchObject({ id: first.id, body: "again", receiveCount: 2 });
      expect(second.receipt).not.toBe(first.receipt);
    });

    test("a sign of life keeps a message for longer, and zero gives it back at once", async () => {
      const queue = await newQueue({ visibilityTimeoutSeconds: 2 });
      await queues.send(queue, "held");
      const { receipt } = await receiveOne(queue);
      await queues.changeVisibility(queue, receipt, 30);
      await passTime(3);
      expect(await queues.receive(queue, { max: 10 })).toEqual([]);
      await queues.changeVisibility(queue, receipt, 0);
      expect(await receiveOne(queue)).toMatchObject({ body: "held", receiveCount: 2 });
    });

    test("a stale receipt does not acknowledge a later delivery", async () => {
      const queue = await newQueue();
      await queues.send(queue, "mine");
      const first = await receiveOne(queue);
      await queues.changeVisibility(queue, first.receipt, 0);
      const second = await receiveOne(queue);
      await queues.acknowledge(queue, first.receipt);
      await queues.changeVisibility(queue, first.receipt, 0);
      await expectDepth(queue, { ...empty, inFlight: 1 });
      await queues.acknowledge(queue, second.receipt);
      await expectDepth(queue, empty);
    });

    test("acknowledging twice is no error", async () => {
      const queue = await newQueue();
      await queues.send(queue, "done");
      const { receipt } = await receiveOne(queue);
      await queues.acknowledge(queue, receipt);
      await queues.acknowledge(queue, receipt);
      await expectDepth(queue, empty);
    });

    test("keeps a delayed message back until its time", async () => {
      const queue = await newQueue();
      await queues.send(queue, "later", { delaySeconds: 2 });
      expect(await queues.receive(queue, { max: 10 })).toEqual([]);
      await expectDepth(queue, { ...empty, delayed: 1 });
      await passTime(2.5);
      expect(await receiveOne(queue)).toMatchObject({ body: "later", receiveCount: 1 });
    });

    test("a waiting receiver gets a message as soon as it is sent", async () => {
      const queue = await newQueue();
      const waiting = queues.receive(queue, { max: 10, waitSeconds: 20 });
      await queues.send(queue, "awaited");
      expect((await waiting).map((message) => message.body)).toEqual(["awaited"]);
    });

    test("what was delivered too often goes to the dead letters, and comes back when it is redriven", async () => {
      const queue = await newQueue({ maxReceives: 2 });
      await queues.send(queue, "poison");
      for (const receiveCount of [1, 2]) {
        const message = await receiveOne(queue);
        expect(message.receiveCount).toBe(receiveCount);
        await queues.changeVisibility(queue, message.receipt, 0);
      }
      // SQS moves it when it is next asked for.
      const dead = async () => {
        expect(await queues.receive(queue, { max: 10 })).toEqual([]);
        return queues.depth(queue);
      };
      await expect.poll(dead, patience).toEqual({ ...empty, dead: 1 });
      const bodies = async (redrive: boolean) =>
        (await queues.deadLetters(queue, { max: 10, redrive })).map((letter) => letter.body);
      // Looking at them changes nothing.
      for (let look = 0; look < 2; look++)
        await expect.poll(() => bodies(false), patience).toEqual(["poison"]);
      await expect.poll(() => bodies(true), patience).toEqual(["poison"]);
      expect(await receiveOne(queue)).toMatchObject({ body: "poison", receiveCount: 1 });
      await expectDepth(queue, { ...empty, inFlight: 1 });
    });

    test("tells whose a message is, if its sender said so", async () => {
      const queue = await newQueue();
      await queues.send(queue, "of acme", { tenant: "acme" });
      expect(await receiveOne(queue)).toMatchObject({ body: "of acme", tenant: "acme" });
      await queues.send(queue, "of nobody");
      expect(await receiveOne(queue)).not.toHaveProperty("tenant");
    });

    test("forgets one tenant's dead letters and nobody else's", async () => {
      const queue = await newQueue({ maxReceives: 1 });
      for (const tenant of ["acme", "acme2"]) {
        await queues.send(queue, `of ${tenant}`, { tenant });
        const { receipt } = await receiveOne(queue);
        await queues.changeVisibility(queue, receipt, 0);
      }
      const dead = async () => {
        expect(await queues.receive(queue, { max: 10 })).toEqual([]);
        return (await queues.depth(queue)).dead;
      };
      await expect.poll(dead, patience).toBe(2);
      await expect.poll(async () => (await queues.forget(queue, "acme")).removed, patience).toBe(1);
      const letters = async () =>
        (await queues.deadLetters(queue, { max: 10 })).map(({ body, tenant }) => [body, tenant]);
      await expect.poll(letters, patience).toEqual([["of acme2", "acme2"]]);
      expect((await queues.deadLetters(queue, { max: 10, redrive: true }))[0]).toMatchObject({
        tenant: "acme2",
      });
      expect(await receiveOne(queue)).toMatchObject({ body: "of acme2", tenant: "acme2" });
    });

    test("forgets one tenant's waiting, delayed and held messages, and nobody else's", async () => {
      const queue = await newQueue();
      await queues.send(queue, "held", { tenant: "acme" });
      const { receipt } = await receiveOne(queue);
      await queues.send(queue, "waiting", { tenant: "acme" });
      await queues.send(queue, "later", { tenant: "acme", delaySeconds: 900 });
      await queues.send(queue, "of a neighbour", { tenant: "acme2" });
      await queues.send(queue, "of nobody");
      expect(await queues.countOf(queue, "acme")).toBe(3);
      expect(await queues.forget(queue, "acme")).toEqual({ removed: 3, leftForSeconds: 0 });
      expect(await queues.countOf(queue, "acme")).toBe(0);
      await queues.changeVisibility(queue, receipt, 0);
      const left = await receiveAll(queue, 2);
      expect(left.map(({ body }) => body).toSorted()).toEqual(["of a neighbour", "of nobody"]);
      expect(await queues.forget(queue, "acme")).toEqual({ removed: 0, leftForSeconds: 0 });
    });

    test("new options hold from then on, and ensuring again loses nothing", async () => {
      const queue = await newQueue({ visibilityTimeoutSeconds: 30 });
      await queues.send(queue, "kept");
      await queues.ensure(queue, { visibilityTimeoutSeconds: 1, maxReceives: 5 });
      await receiveOne(queue);
      await passTime(1.5);
      expect(await receiveOne(queue)).toMatchObject({ body: "kept", receiveCount: 2 });
    });
  });
}
