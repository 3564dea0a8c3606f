import {
  ChangeMessageVisibilityCommand,
  DeleteMessageCommand,
  GetQueueAttributesCommand,
  SendMessageCommand,
  type SQSClient,
} from "@aws-sdk/client-sqs";
import { checkMessageBody, checkRange, queueLimits } from "../core/queue/limits.ts";
import type { Clock } from "../ports/clock.ts";
import type { DeadLetter, QueueMessage, QueueOptions, Queues } from "../ports/queues.ts";
import { isAwsError } from "./fault.ts";
import { redrive, withDeadLetters } from "./sqs/dead-letters.ts";
import { attributesOf, receiveMessages, unlessOver } from "./sqs/messages.ts";
import { QueuePairs, retentionSeconds } from "./sqs/queue-pairs.ts";

const countAttributes = [
  "ApproximateNumberOfMessages",
  "ApproximateNumberOfMessagesNotVisible",
  "ApproximateNumberOfMessagesDelayed",
] as const;

/**
 * Queues as SQS standard queues of the names `<prefix>-<queue>` and `<prefix>-<queue>-dead`, encrypted by SQS. Seconds
 * are rounded up to whole ones. Beyond what the port says:
 * - A receipt that is not its message's latest may still count ("the request succeeds, but the message might not be
 *   deleted", DeleteMessage).
 * - Whose the messages are is told only by receiving them, which counts as a delivery: a tenant that is forgotten loses
 *   its dead letters, and the others go when nobody received them for 14 days.
 * - Listing dead letters holds them for that moment, so one who lists at the same time sees fewer.
 * - A redriven message has another id, and a crash while redriving may leave its letter too.
 * - `close` may lose sight of what SQS was about to hand over: it comes again after its visibility timeout.
 */
export function createQueues(options: {
  readonly client: SQSClient;
  readonly prefix: string;
  readonly clock: Clock;
}): Queues {
  return new SqsQueues(options);
}

class SqsQueues implements Queues {
  readonly #client: SQSClient;
  readonly #pairs: QueuePairs;
  /** One for each receive under way. */
  readonly #receives = new Set<AbortController>();
  #closed = false;

  constructor(options: Parameters<typeof createQueues>[0]) {
    this.#client = options.client;
    this.#pairs = new QueuePairs(options);
  }

  async ensure(queue: string, options: QueueOptions): Promise<void> {
    checkRange(
      "visibilityTimeoutSeconds",
      options.visibilityTimeoutSeconds,
      0,
      queueLimits.visibilityTimeoutSeconds,
    );
    checkRange("maxReceives", options.maxReceives, 1, queueLimits.maxReceives);
    await this.#pairs.ensure(queue, options);
  }

  async send(
    queue: string,
    body: string,
    options: { readonly delaySeconds?: number; readonly tenant?: string } = {},
  ): Promise<{ readonly id: string }> {
    checkMessageBody(body);
    const delaySeconds = options.delaySeconds ?? 0;
    checkRange("delaySeconds", delaySeconds, 0, queueLimits.delaySeconds);
    return this.#pairs.call(queue, "live", async (url) => {
      const { MessageId = "" } = await this.#client.send(
        new SendMessageCommand({
          QueueUrl: url,
          MessageBody: body,
          DelaySeconds: Math.ceil(delaySeconds),
          ...attributesOf(options.tenant),
        }),
      );
      return { id: MessageId };
    });
  }

  async receive(
    queue: string,
    options: { readonly max: number; readonly waitSeconds?: number },
  ): Promise<readonly QueueMessage[]> {
    const { max, waitSeconds = 0 } = options;
    checkRange("max", max, 1, queueLimits.batch);
    checkRange("waitSeconds", waitSeconds, 0, queueLimits.waitSeconds);
    if (this.#closed) return [];
    const receive = new AbortController();
    this.#receives.add(receive);
    try {
      return await this.#pairs.call(queue, "live", (url) =>
        receiveMessages(this.#client, { url, max, waitSeconds, signal: receive.signal }),
      );
    } catch (error) {
      if (this.#closed && isAwsError(error, "AbortError")) return [];
      throw error;
    } finally {
      this.#receives.delete(receive);
    }
  }

  async changeVisibility(queue: string, receipt: string, visibilityTimeoutSeconds: number): Promise<void> {
    checkRange("visibilityTimeoutSeconds", visibilityTimeoutSeconds, 0, queueLimits.visibilityTimeoutSeconds);
    await this.#pairs.call(queue, "live", (url) =>
      unlessOver(() =>
        this.#client.send(
          new ChangeMessageVisibilityCommand({
            QueueUrl: url,
            ReceiptHandle: receipt,
            VisibilityTimeout: Math.ceil(visibilityTimeoutSeconds),
          }),
        ),
      ),
    );
  }

  async acknowledge(queue: string, receipt: string): Promise<void> {
    await this.#pairs.call(queue, "live", (url) =>
      unlessOver(() =>
        this.#client.send(new DeleteMessageCommand({ QueueUrl: url, ReceiptHandle: receipt })),
      ),
    );
  }

  async depth(queue: string) {
    const [live, dead] = await Promise.all([this.#count(queue, "live"), this.#count(queue, "dead")]);
    return { ...live, dead: dead.visible + dead.inFlight + dead.delayed };
  }

  async #count(queue: string, kind: "live" | "dead") {
    return this.#pairs.call(queue, kind, async (url) => {
      const { Attributes = {} } = await this.#client.send(
        new GetQueueAttributesCommand({ QueueUrl: url, AttributeNames: [...countAttributes] }),
      );
      const [visible, inFlight, delayed] = countAttributes.map((name) => Number(Attributes[name] ?? 0));
      return { visible: visible ?? 0, inFlight: inFlight ?? 0, delayed: delayed ?? 0 };
    });
  }

  async deadLetters(
    queue: string,
    options: { readonly max: number; readonly redrive?: boolean },
  ): Promise<readonly DeadLetter[]> {
    checkRange("max", options.max, 1, queueLimits.batch);
    return this.#pairs.call(queue, "live", async (live) => {
      const maxReceives = await this.#maxReceives(live);
      const letters = await this.#pairs.call(queue, "dead", (dead) =>
        withDeadLetters(this.#client, { url: dead, max: options.max }, async (letter) => {
          if (!options.redrive) return "kept";
          await redrive(this.#client, { live, dead }, letter);
          return "gone";
        }),
      );
      return letters.map(({ id, body, tenant, receiveCount, sentAt }) => ({
        id,
        body,
        ...(tenant === undefined ? {} : { tenant }),
        // SQS counts "across all queues": each look adds one to the deliveries that made the letter.
        receiveCount: Math.min(receiveCount - 1, maxReceives),
        sentAt,
      }));
    });
  }

  async countOf(queue: string): Promise<null> {
    await this.#pairs.call(queue, "live", async () => {});
    return null;
  }

  async forget(queue: string, tenant: string) {
    const { visible } = await this.#count(queue, "dead");
    let removed = 0;
    await this.#pairs.call(queue, "dead", (url) =>
      // The count lags: some more than it says are looked for.
      withDeadLetters(this.#client, { url, max: visible + queueLimits.batch }, async (letter) => {
        if (letter.tenant !== tenant) return "kept";
        await this.#client.send(new DeleteMessageCommand({ QueueUrl: url, ReceiptHandle: letter.receipt }));
        removed++;
        return "gone";
      }),
    );
    return { removed, leftForSeconds: retentionSeconds };
  }

  async #maxReceives(url: string): Promise<number> {
    const { Attributes = {} } = await this.#client.send(
      new GetQueueAttributesCommand({ QueueUrl: url, AttributeNames: ["RedrivePolicy"] }),
    );
    const policy = JSON.parse(Attributes.RedrivePolicy ?? "{}") as { maxReceiveCount?: number | string };
    return Number(policy.maxReceiveCount ?? queueLimits.maxReceives);
  }

  async close(): Promise<void> {
    this.#closed = true;
    for (const receive of this.#receives) receive.abort();
  }
}
