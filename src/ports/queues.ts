/** A message as a consumer holds it, invisible to others until its visibility timeout ends. */
export interface QueueMessage {
  readonly id: string;
  /** Needed to extend, acknowledge or return this delivery; a later delivery has another. */
  readonly receipt: string;
  readonly body: string;
  /** Whose it is; absent when its sender did not say. */
  readonly tenant?: string;
  /** 1 at the first delivery. */
  readonly receiveCount: number;
  readonly sentAt: Date;
}

/** A message that nobody acknowledged in time, too often. It can't be held, so it has no receipt. */
export type DeadLetter = Omit<QueueMessage, "receipt">;

export interface QueueOptions {
  /** How long a received message stays invisible; 0 to 43,200 s (12 h). */
  readonly visibilityTimeoutSeconds: number;
  /** Deliveries after which an unacknowledged message goes to the dead letters. */
  readonly maxReceives: number;
}

/**
 * A region's queues: at least once, in no promised order. Bodies are text of 1 to 262,144 bytes that XML can hold;
 * names are letters, digits, hyphens and underscores, and don't end in `-dead`.
 * All methods throw E_NOT_FOUND for a queue that was never ensured, and E_ARGUMENT for what is out of range.
 */
export interface Queues {
  /** Makes the queue and its dead-letter queue, or changes its options. */
  ensure(queue: string, options: QueueOptions): Promise<void>;
  /** `delaySeconds`: 0 to 900; `tenant`: the slug of whose it is. */
  send(
    queue: string,
    body: string,
    options?: { readonly delaySeconds?: number; readonly tenant?: string },
  ): Promise<{ readonly id: string }>;
  /** Up to `max` (at most 10) messages; waits up to `waitSeconds` (at most 20) for the first. */
  receive(
    queue: string,
    options: { readonly max: number; readonly waitSeconds?: number },
  ): Promise<readonly QueueMessage[]>;
  /**
   * "Still alive": the message stays invisible for so long from now; 0 returns it at once. No error when the
   * delivery is over: the message may be with someone else by then, whose delivery should stay as it is.
   */
  changeVisibility(queue: string, receipt: string, visibilityTimeoutSeconds: number): Promise<void>;
  /** Done; the message is gone for good. No error when the delivery is over. */
  acknowledge(queue: string, receipt: string): Promise<void>;
  /** Approximate counts. */
  depth(queue: string): Promise<{
    readonly visible: number;
    readonly inFlight: number;
    readonly delayed: number;
    readonly dead: number;
  }>;
  /** At most `max` (at most 10), oldest first where the engine knows; `redrive` puts them back as if newly sent. */
  deadLetters(
    queue: string,
    options: { readonly max: number; readonly redrive?: boolean },
  ): Promise<readonly DeadLetter[]>;
  /** How many messages of the tenant there are, held and dead ones too; `null` where the engine can't tell. */
  countOf(queue: string, tenant: string): Promise<number | null>;
  /**
   * Removes the tenant's messages, held and dead ones too; its deliveries are over. Where an engine can't choose (SQS
   * deletes only what was received), the dead ones alone, and the others lie there for at most `leftForSeconds`: who
   * receives one of a tenant that is gone acknowledges it unread. 0: none is left.
   */
  forget(
    queue: string,
    tenant: string,
  ): Promise<{ readonly removed: number; readonly leftForSeconds: number }>;
  /** Ends all waiting. */
  close(): Promise<void>;
}
