import { setTimeout as sleep } from "node:timers/promises";
import {
  DeleteQueueCommand,
  GetQueueAttributesCommand,
  GetQueueUrlCommand,
  ListQueueTagsCommand,
  paginateListQueues,
  SQSClient,
} from "@aws-sdk/client-sqs";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { emptyAccount, testPrefix } from "../../test/support/aws/account.ts";
import { oneAtATime } from "../../test/support/aws/one-at-a-time.ts";
import { createFakeClock } from "../../test/support/fake-clock.ts";
import { createSystemClock } from "../node/clock.ts";
import { queuesContract } from "../ports/queues.contract.ts";
import type { Queues } from "../ports/queues.ts";
import { type AwsAccess, createAwsClient } from "./client.ts";
import { createQueues } from "./queues.ts";

const onEmulator = process.env.ROWHOUSE_AWS_REAL !== "1";

const clock = createSystemClock();

async function openQueues() {
  const access = await emptyAccount();
  const client = createAwsClient(SQSClient, access);
  const prefix = testPrefix();
  return {
    access,
    client,
    prefix,
    queues: createQueues({ client, prefix, clock }),
    dispose: async () => {
      for await (const { QueueUrls = [] } of paginateListQueues({ client }, { QueueNamePrefix: prefix }))
        await Promise.all(QueueUrls.map((url) => client.send(new DeleteQueueCommand({ QueueUrl: url }))));
      client.destroy();
    },
  };
}

queuesContract(
  "aws",
  async () => {
    const { client, queues, dispose } = await openQueues();
    if (onEmulator) oneAtATime(client, ["ReceiveMessageCommand"]);
    // SQS has a clock of its own, which nobody moves.
    return { queues, passTime: (seconds) => sleep(seconds * 1000), dispose };
  },
  {
    skip: {
      "a stale receipt does not acknowledge a later delivery":
        "SQS does not promise it: the request succeeds, but the message might not be deleted (DeleteMessage)",
      "forgets one tenant's waiting, delayed and held messages, and nobody else's":
        "SQS deletes only what was received, and each receiving counts as a delivery",
    },
  },
);

describe("queues of SQS", () => {
  let opened: Awaited<ReturnType<typeof openQueues>>;
  let queues: Queues;
  beforeAll(async () => {
    opened = await openQueues();
    queues = opened.queues;
  });
  afterAll(() => opened.dispose());

  const patience = { timeout: 20_000, interval: 50 };
  const one = async (queue: string) => {
    const [message] = await queues.receive(queue, { max: 1, waitSeconds: 10 });
    return message!;
  };
  const attributesOf = async (name: string) => {
    const { client, prefix } = opened;
    const { QueueUrl } = await client.send(new GetQueueUrlCommand({ QueueName: `${prefix}-${name}` }));
    const { Attributes } = await client.send(
      new GetQueueAttributesCommand({ QueueUrl, AttributeNames: ["All"] }),
    );
    const { Tags } = await client.send(new ListQueueTagsCommand({ QueueUrl }));
    return { attributes: Attributes!, tags: Tags };
  };

  test("are two each, encrypted, tagged, and kept for 14 days", async () => {
    await queues.ensure("pair", { visibilityTimeoutSeconds: 29.5, maxReceives: 3 });
    const [live, dead] = [await attributesOf("pair"), await attributesOf("pair-dead")];
    for (const { attributes, tags } of [live, dead]) {
      expect(attributes).toMatchObject({
        SqsManagedSseEnabled: "true",
        MessageRetentionPeriod: "1209600",
        MaximumMessageSize: "262144",
      });
      expect(tags).toEqual({ "rowhouse:prefix": opened.prefix });
    }
    expect(live.attributes.VisibilityTimeout).toBe("30");
    const policy = JSON.parse(live.attributes.RedrivePolicy!);
    expect({ ...policy, maxReceiveCount: Number(policy.maxReceiveCount) }).toEqual({
      deadLetterTargetArn: dead.attributes.QueueArn,
      maxReceiveCount: 3,
    });
  });

  test("may be ensured by many at once, with the same options or others", async () => {
    const options = { visibilityTimeoutSeconds: 30, maxReceives: 3 };
    await Promise.all([1, 2, 3, 4].map(() => queues.ensure("together", options)));
    const others = [5, 6, 7].map((maxReceives) => queues.ensure("together", { ...options, maxReceives }));
    await Promise.all(others);
    const maxReceives = async () =>
      Number(JSON.parse((await attributesOf("together")).attributes.RedrivePolicy!).maxReceiveCount);
    await expect.poll(maxReceives, patience).toBeGreaterThanOrEqual(5);
  });

  test("refuse a name that is too long with the prefix", async () => {
    const options = { visibilityTimeoutSeconds: 30, maxReceives: 3 };
    const most = 80 - `${opened.prefix}--dead`.length;
    await queues.ensure("x".repeat(most), options);
    await expect(queues.ensure("x".repeat(most + 1), options)).rejects.toMatchObject({
      code: "E_ARGUMENT",
      message: expect.stringContaining(`up to ${most} characters`),
    });
  });

  test("are looked for again when they were deleted behind this process's back", async () => {
    await queues.ensure("deleted", { visibilityTimeoutSeconds: 30, maxReceives: 3 });
    await queues.send("deleted", "x");
    const { client, prefix } = opened;
    const { QueueUrl } = await client.send(new GetQueueUrlCommand({ QueueName: `${prefix}-deleted` }));
    await client.send(new DeleteQueueCommand({ QueueUrl }));
    const code = () =>
      queues.send("deleted", "x").then(
        () => "sent",
        (error) => error.code,
      );
    await expect.poll(code, { timeout: 90_000, interval: 200 }).toBe("E_NOT_FOUND");
  }, 100_000);

  test("take a receipt of a delivery that is over, or that never was, without an error", async () => {
    await queues.ensure("over", { visibilityTimeoutSeconds: 30, maxReceives: 3 });
    await queues.send("over", "x");
    const { receipt } = await one("over");
    await queues.acknowledge("over", receipt);
    await queues.changeVisibility("over", receipt, 10);
    await queues.changeVisibility("over", "never", 10);
    await queues.acknowledge("over", "never");
  });

  test("hold one delivery for 12 hours at most", async () => {
    await queues.ensure("long", { visibilityTimeoutSeconds: 30, maxReceives: 3 });
    await queues.send("long", "x");
    const { receipt } = await one("long");
    // SQS counts from the moment of the delivery, which is over by now.
    const hold = () =>
      queues.changeVisibility("long", receipt, 43_200).then(
        () => "held",
        (error) => error.code,
      );
    await expect.poll(hold, patience).toBe("E_ARGUMENT");
  });

  test("can't choose among messages that nobody received, and say for how long a tenant's may lie there", async () => {
    await queues.ensure("choosy", { visibilityTimeoutSeconds: 30, maxReceives: 3 });
    await queues.send("choosy", "of acme", { tenant: "acme" });
    expect(await queues.countOf("choosy", "acme")).toBeNull();
    expect(await queues.forget("choosy", "acme")).toEqual({ removed: 0, leftForSeconds: 1_209_600 });
    expect(await one("choosy")).toMatchObject({ body: "of acme", tenant: "acme", receiveCount: 1 });
    await expect(queues.countOf("nowhere", "acme")).rejects.toMatchObject({ code: "E_NOT_FOUND" });
    await expect(queues.forget("nowhere", "acme")).rejects.toMatchObject({ code: "E_NOT_FOUND" });
  });

  test("end all waiting when they are closed", async () => {
    await queues.ensure("closing", { visibilityTimeoutSeconds: 30, maxReceives: 3 });
    const client = createAwsClient(SQSClient, opened.access);
    let asked = 0;
    client.middlewareStack.add(
      (next, context) => (args) => {
        if (context.commandName === "ReceiveMessageCommand") asked++;
        return next(args);
      },
      { step: "finalizeRequest", priority: "low", name: "count" },
    );
    const closing = createQueues({ client, prefix: opened.prefix, clock });
    let isOver = false;
    const waiting = Promise.all(
      [1, 2, 3].map(() => closing.receive("closing", { max: 1, waitSeconds: 20 })),
    ).finally(() => {
      isOver = true;
    });
    const started = performance.now();
    await expect.poll(() => asked, patience).toBe(3);
    expect(isOver).toBe(false);
    await closing.close();
    expect(await waiting).toEqual([[], [], []]);
    expect(performance.now() - started).toBeLessThan(10_000);
    expect(await closing.receive("closing", { max: 1, waitSeconds: 20 })).toEqual([]);
  });

  describe("of dead letters", () => {
    const bury = async (queue: string, bodies: readonly string[]) => {
      await queues.ensure(queue, { visibilityTimeoutSeconds: 30, maxReceives: 1 });
      for (const body of bodies) {
        await queues.send(queue, body);
        await queues.changeVisibility(queue, (await one(queue)).receipt, 0);
      }
      const dead = async () => {
        await queues.receive(queue, { max: 10 });
        return (await queues.depth(queue)).dead;
      };
      await expect.poll(dead, patience).toBe(bodies.length);
    };
    const list = async (queue: string, options: { max: number; redrive?: boolean }) =>
      (await queues.deadLetters(queue, options)).map(({ body }) => body);

    test("a look leaves them as they were, and counts as no delivery", async () => {
      await bury("look", ["a"]);
      for (let look = 0; look < 3; look++)
        await expect
          .poll(() => queues.deadLetters("look", { max: 10 }), patience)
          .toEqual([{ id: expect.any(String), body: "a", receiveCount: 1, sentAt: expect.any(Date) }]);
      expect(await queues.deadLetters("look", { max: 10 })).not.toContainEqual(
        expect.objectContaining({ receipt: expect.anything() }),
      );
    });

    test("only as many are redriven as asked for, and the others stay", async () => {
      await bury("redrive", ["a", "b", "c"]);
      expect(await list("redrive", { max: 2, redrive: true })).toHaveLength(2);
      await expect
        .poll(() => queues.depth("redrive"), patience)
        .toEqual({ visible: 2, inFlight: 0, delayed: 0, dead: 1 });
      await expect.poll(() => list("redrive", { max: 10 }), patience).toHaveLength(1);
    });

    test("what can't be redriven is let go at once", async () => {
      await bury("refused", ["a"]);
      const { access, prefix } = opened;
      const failing = createQueues({ client: failingClient(access, "SendMessageCommand"), prefix, clock });
      const refused = () =>
        failing.deadLetters("refused", { max: 1, redrive: true }).then(
          (letters) => letters.length,
          (error) => error.code,
        );
      await expect.poll(refused, patience).toBe("E_AWS_ACCESS");
      await expect.poll(() => list("refused", { max: 1 }), patience).toEqual(["a"]);
      await expect.poll(() => queues.depth("refused"), patience).toMatchObject({ visible: 0, dead: 1 });
    });
  });

  test("wait until SQS gives a deleted queue's name free again", async () => {
    const { access, prefix } = opened;
    const fake = createFakeClock();
    const refusing = failingClient(access, "CreateQueueCommand", "QueueDeletedRecently");
    const ensured = createQueues({ client: refusing, prefix, clock: fake })
      .ensure("again", { visibilityTimeoutSeconds: 30, maxReceives: 3 })
      .then(
        () => "ensured",
        (error) => error.name,
      );
    for (let passed = 0; passed < 60; passed += 5) {
      await fake.untilSleeping();
      await fake.advance(5000);
    }
    refusing.middlewareStack.remove("fail");
    await fake.untilSleeping();
    await fake.advance(5000);
    expect(await ensured).toBe("ensured");
    await queues.send("again", "x");
  });

  test.runIf(onEmulator)("the emulator acknowledges with any receipt that a message ever had", async () => {
    await queues.ensure("stale", { visibilityTimeoutSeconds: 30, maxReceives: 3 });
    await queues.send("stale", "x");
    const first = await one("stale");
    await queues.changeVisibility("stale", first.receipt, 0);
    await one("stale");
    await queues.acknowledge("stale", first.receipt);
    expect(await queues.depth("stale")).toMatchObject({ inFlight: 0 });
  });
});

/** A client whose calls of one kind SQS refuses: by an exception that the emulator never gives. */
function failingClient(access: AwsAccess, command: string, exception = "AccessDenied"): SQSClient {
  const client = createAwsClient(SQSClient, access);
  client.middlewareStack.add(
    (next, context) => async (args) => {
      if (context.commandName !== command) return next(args);
      throw Object.assign(new Error("Refused."), { name: exception, $fault: "client", $metadata: {} });
    },
    { step: "finalizeRequest", priority: "high", name: "fail" },
  );
  return client;
}
