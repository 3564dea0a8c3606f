/** A message as a consumer holds it, invisible to others until its visibility timeout ends. */
export interface QueueMessage {
  readonly id: string;
  /** Needed to extend, acknowledge or return this delivery; a later delivery has another. */
  readonly receipt: string;
  readonly body: string;
  /** 1 at the first delivery. */
  readonly receiveCount: number;
  readonly sentAt: Date;
}

export interface QueueOptions {
  /** How long a received message stays invisible; 0 to 43,200 s (12 h). */
  readonly visibilityTimeoutSeconds: number;
  /** Deliveries after which an unacknowledged message goes to the dead letters. */
  readonly maxReceives: number;
}

/** A region's queues: at least once, in no promised order. Bodies are text of at most 256 kB. */
export interface Queues {
  /** Makes the queue and its dead-letter queue, or changes its options. */
  ensure(queue: string, options: QueueOptions): Promise<void>;
  /** `delaySeconds`: 0 to 900. */
  send(queue: string, body: string, options?: { readonly delaySeconds?: number }): Promise<{ readonly id: string }>;
  /** Up to `max` (at most 10) messages; waits up to `waitSeconds` (at most 20) for the first. */
  receive(queue: string, options: { readonly max: number; readonly waitSeconds?: number }): Promise<readonly QueueMessage[]>;
  /** "Still alive": the message stays invisible for so long from now; 0 returns it at once. */
  changeVisibility(queue: string, receipt: string, visibilityTimeoutSeconds: number): Promise<void>;
  /** Done; the message is gone for good. */
  acknowledge(queue: string, receipt: string): Promise<void>;
  /** Approximate counts. */
  depth(queue: string): Promise<{ readonly visible: number; readonly inFlight: number; readonly delayed: number; readonly dead: number }>;
  /** Oldest first, at most `max`; `redrive` puts dead letters back. */
  deadLetters(queue: string, options: { readonly max: number; readonly redrive?: boolean }): Promise<readonly QueueMessage[]>;
  close(): Promise<void>;
}
