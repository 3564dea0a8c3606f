import {
  ChangeMessageVisibilityCommand,
  DeleteMessageCommand,
  SendMessageCommand,
  type SQSClient,
} from "@aws-sdk/client-sqs";
import { queueLimits } from "../../core/queue/limits.ts";
import type { QueueMessage } from "../../ports/queues.ts";
import { attributesOf, receiveMessages, unlessOver } from "./messages.ts";

/** Long enough to look or to move on; when this process dies, they are seen again after it. */
const holdSeconds = 30;

/**
 * Looks at up to `max` letters, which for that moment nobody else sees, and calls `work` with each. Those that
 * it keeps, or rejects for, are let go at once; the first rejection is thrown when all are through.
 */
export async function withDeadLetters(
  client: SQSClient,
  options: { readonly url: string; readonly max: number },
  work: (letter: QueueMessage) => Promise<"kept" | "gone">,
): Promise<readonly QueueMessage[]> {
  const { url } = options;
  const held: QueueMessage[] = [];
  while (held.length < options.max) {
    const found = await receiveMessages(client, {
      url,
      max: Math.min(options.max - held.length, queueLimits.batch),
      // Only a receive that waits asks all of a queue's servers (SQS developer guide, "Short and long polling").
      waitSeconds: held.length === 0 ? 1 : 0,
      visibilityTimeoutSeconds: holdSeconds,
    });
    if (found.length === 0) break;
    held.push(...found);
  }
  const results = await Promise.allSettled(
    held.map(async (letter) => {
      let fate: "kept" | "gone" = "kept";
      try {
        fate = await work(letter);
      } finally {
        if (fate === "kept") await letGo(client, url, letter);
      }
    }),
  );
  for (const result of results) if (result.status === "rejected") throw result.reason;
  return held.toSorted((a, b) => a.sentAt.getTime() - b.sentAt.getTime());
}

/**
 * Sends a letter's body to the queue, then deletes the letter: a crash between the two leaves both. (SQS's own
 * StartMessageMoveTask moves all that there are, one task at a time.)
 */
export async function redrive(
  client: SQSClient,
  urls: { readonly live: string; readonly dead: string },
  letter: QueueMessage,
): Promise<void> {
  await client.send(
    new SendMessageCommand({ QueueUrl: urls.live, MessageBody: letter.body, ...attributesOf(letter.tenant) }),
  );
  await client.send(new DeleteMessageCommand({ QueueUrl: urls.dead, ReceiptHandle: letter.receipt }));
}

function letGo(client: SQSClient, url: string, letter: QueueMessage): Promise<void> {
  return unlessOver(() =>
    client.send(
      new ChangeMessageVisibilityCommand({
        QueueUrl: url,
        ReceiptHandle: letter.receipt,
        VisibilityTimeout: 0,
      }),
    ),
  );
}
