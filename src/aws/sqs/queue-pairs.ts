import {
  CreateQueueCommand,
  GetQueueAttributesCommand,
  GetQueueUrlCommand,
  type QueueAttributeName,
  SetQueueAttributesCommand,
  type SQSClient,
} from "@aws-sdk/client-sqs";
import { fault } from "../../core/error.ts";
import { checkQueueName, deadLetterSuffix, queueLimits } from "../../core/queue/limits.ts";
import type { Clock } from "../../ports/clock.ts";
import type { QueueOptions } from "../../ports/queues.ts";
import { isAwsError } from "../fault.ts";
import { awsNames, awsTags } from "../resources.ts";

/** The longest that SQS keeps a message, which it counts from the first sending also among the dead letters. */
export const retentionSeconds = 14 * 24 * 60 * 60;

/** Longer than SQS refuses the name of a queue that was deleted: 60 seconds (CreateQueue). */
const deletedPatienceMilliseconds = 90_000;
const deletedPauseMilliseconds = 5000;

/** Longer than a new queue takes to be found everywhere: "at least one second" (CreateQueue). */
const createdPatienceMilliseconds = 20_000;
const createdPauseMilliseconds = 500;

const longestName = 80;

type Attributes = Partial<Record<QueueAttributeName, string>>;

/** A queue of the port is two of SQS: one to receive from and one for its dead letters. */
export type QueueKind = "live" | "dead";

/** Makes the pairs of queues of one prefix, and knows their URLs. */
export class QueuePairs {
  readonly #client: SQSClient;
  readonly #prefix: string;
  readonly #clock: Clock;
  readonly #urls = new Map<string, string>();

  constructor(options: { readonly client: SQSClient; readonly prefix: string; readonly clock: Clock }) {
    this.#client = options.client;
    this.#prefix = options.prefix;
    this.#clock = options.clock;
  }

  /**
   * Makes the pair or changes its options, which SQS says takes up to a minute to hold everywhere (SetQueueAttributes).
   * @throws E_ARGUMENT for a name that is too long with the prefix
   */
  async ensure(queue: string, options: QueueOptions): Promise<void> {
    const common: Attributes = {
      MessageRetentionPeriod: String(retentionSeconds),
      MaximumMessageSize: String(queueLimits.bodyBytes),
      SqsManagedSseEnabled: "true",
    };
    const deadUrl = await this.#ensureOne(this.#nameOf(queue, "dead"), common);
    const { QueueArn } = await this.#attributesOnceFound(deadUrl);
    const url = await this.#ensureOne(this.#nameOf(queue, "live"), {
      ...common,
      VisibilityTimeout: String(Math.ceil(options.visibilityTimeoutSeconds)),
      RedrivePolicy: JSON.stringify({
        deadLetterTargetArn: QueueArn,
        maxReceiveCount: Math.ceil(options.maxReceives),
      }),
    });
    await this.#attributesOnceFound(url);
  }

  /** Calls with the queue's URL. @throws E_NOT_FOUND, E_ARGUMENT */
  async call<T>(queue: string, kind: QueueKind, work: (url: string) => Promise<T>): Promise<T> {
    const name = this.#nameOf(queue, kind);
    try {
      return await work(await this.#urlOf(name));
    } catch (error) {
      if (!isMissing(error)) throw error;
      this.#urls.delete(name);
      throw fault("E_NOT_FOUND", `There is no queue "${queue}".`, { cause: error });
    }
  }

  #nameOf(queue: string, kind: QueueKind): string {
    checkQueueName(queue);
    const live = awsNames.queue(this.#prefix, queue);
    const dead = `${live}${deadLetterSuffix}`;
    if (dead.length > longestName) {
      const most = longestName - (dead.length - queue.length);
      throw fault(
        "E_ARGUMENT",
        `"${queue}" is too long for a queue's name: with the prefix "${this.#prefix}" it takes up to ${most} characters.`,
      );
    }
    return kind === "live" ? live : dead;
  }

  async #urlOf(name: string): Promise<string> {
    const known = this.#urls.get(name);
    if (known !== undefined) return known;
    const { QueueUrl = "" } = await this.#client.send(new GetQueueUrlCommand({ QueueName: name }));
    this.#urls.set(name, QueueUrl);
    return QueueUrl;
  }

  async #ensureOne(name: string, attributes: Attributes): Promise<string> {
    const url = await this.#create(name, attributes);
    this.#urls.set(name, url);
    return url;
  }

  async #create(name: string, attributes: Attributes): Promise<string> {
    const command = new CreateQueueCommand({
      QueueName: name,
      Attributes: attributes,
      tags: { [awsTags.prefix]: this.#prefix },
    });
    for (const deadline = this.#clock.elapsedMilliseconds() + deletedPatienceMilliseconds; ; ) {
      try {
        const { QueueUrl = "" } = await this.#client.send(command);
        return QueueUrl;
      } catch (error) {
        if (isAwsError(error, "QueueNameExists", "QueueAlreadyExists")) return this.#change(name, attributes);
        const isTooSoon = isAwsError(
          error,
          "QueueDeletedRecently",
          "AWS.SimpleQueueService.QueueDeletedRecently",
        );
        if (!isTooSoon || this.#clock.elapsedMilliseconds() > deadline) throw error;
      }
      await this.#clock.sleep(deletedPauseMilliseconds);
    }
  }

  async #change(name: string, attributes: Attributes): Promise<string> {
    const url = await this.#urlOf(name);
    await this.#client.send(new SetQueueAttributesCommand({ QueueUrl: url, Attributes: attributes }));
    return url;
  }

  async #attributesOnceFound(url: string): Promise<Attributes> {
    for (const deadline = this.#clock.elapsedMilliseconds() + createdPatienceMilliseconds; ; ) {
      try {
        const { Attributes = {} } = await this.#client.send(
          new GetQueueAttributesCommand({ QueueUrl: url, AttributeNames: ["QueueArn"] }),
        );
        return Attributes;
      } catch (error) {
        if (!isMissing(error) || this.#clock.elapsedMilliseconds() > deadline) throw error;
      }
      await this.#clock.sleep(createdPauseMilliseconds);
    }
  }
}

function isMissing(error: unknown): boolean {
  return isAwsError(error, "QueueDoesNotExist", "AWS.SimpleQueueService.NonExistentQueue");
}
