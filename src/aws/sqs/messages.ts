import {
  type Message,
  ReceiveMessageCommand,
  type SendMessageCommandInput,
  type SQSClient,
} from "@aws-sdk/client-sqs";
import { fault } from "../../core/error.ts";
import type { QueueMessage } from "../../ports/queues.ts";
import { isAwsError } from "../fault.ts";

/** The attribute of a message that says whose it is. */
const tenantAttribute = "tenant";

/** The attributes to send a message with. */
export function attributesOf(tenant: string | undefined): Pick<SendMessageCommandInput, "MessageAttributes"> {
  if (tenant === undefined) return {};
  return { MessageAttributes: { [tenantAttribute]: { DataType: "String", StringValue: tenant } } };
}

/** Receives once; without `visibilityTimeoutSeconds` the messages are held for as long as the queue says. */
export async function receiveMessages(
  client: SQSClient,
  options: {
    readonly url: string;
    readonly max: number;
    readonly waitSeconds: number;
    readonly visibilityTimeoutSeconds?: number;
    readonly signal?: AbortSignal;
  },
): Promise<QueueMessage[]> {
  const { Messages = [] } = await client.send(
    new ReceiveMessageCommand({
      QueueUrl: options.url,
      MaxNumberOfMessages: options.max,
      WaitTimeSeconds: Math.ceil(options.waitSeconds),
      MessageSystemAttributeNames: ["ApproximateReceiveCount", "SentTimestamp"],
      MessageAttributeNames: [tenantAttribute],
      ...(options.visibilityTimeoutSeconds === undefined
        ? {}
        : { VisibilityTimeout: options.visibilityTimeoutSeconds }),
    }),
    options.signal && { abortSignal: options.signal },
  );
  return Messages.map(toQueueMessage);
}

function toQueueMessage({
  MessageId = "",
  ReceiptHandle = "",
  Body = "",
  Attributes,
  MessageAttributes,
}: Message): QueueMessage {
  const tenant = MessageAttributes?.[tenantAttribute]?.StringValue;
  return {
    id: MessageId,
    receipt: ReceiptHandle,
    body: Body,
    ...(tenant === undefined ? {} : { tenant }),
    receiveCount: Number(Attributes?.ApproximateReceiveCount),
    sentAt: new Date(Number(Attributes?.SentTimestamp)),
  };
}

/**
 * Does what needs a receipt, and nothing when that delivery is over: its message is deleted, visible again or with
 * someone else. @throws E_ARGUMENT when one delivery would be held for longer than SQS allows
 */
export async function unlessOver(work: () => Promise<unknown>): Promise<void> {
  try {
    await work();
  } catch (error) {
    if (isAwsError(error, "ReceiptHandleIsInvalid", "InvalidIdFormat", "MessageNotInflight")) return;
    if (!isAwsError(error, "InvalidParameterValue", "InvalidParameterValueException")) throw error;
    if (/receipt ?handle/i.test(error.message)) return;
    if (/total visibilitytimeout/i.test(error.message))
      throw fault("E_ARGUMENT", "One delivery can be held for 12 hours in all.", { cause: error });
    throw error;
  }
}
