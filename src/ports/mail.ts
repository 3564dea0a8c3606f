export interface MailMessage {
  /** The tenant that sends, or `null` for the platform itself. */
  readonly tenant: string | null;
  /** `"Acme <acme@bookshop.example>"` or a bare address. */
  readonly from: string;
  readonly to: string;
  readonly subject: string;
  readonly text: string;
  readonly html?: string;
  /** The same key is sent once, however often it is asked for. */
  readonly idempotencyKey: string;
}

export type MailStatus = "queued" | "sent" | "suppressed" | "failed" | "not-configured";

export interface MailRecord extends Omit<MailMessage, "idempotencyKey"> {
  readonly id: string;
  readonly status: MailStatus;
  readonly createdAt: Date;
  readonly error?: string;
}

/** A region's outgoing mail. Every message is kept in the outbox, whether or not it can be delivered. */
export interface Mail {
  /** Kept and, where a server is configured, handed over; a passing fault of the server leaves it queued. */
  send(message: MailMessage): Promise<{ readonly id: string; readonly status: MailStatus }>;
  /** Newest first. */
  outbox(options: { readonly tenant?: string | null; readonly limit?: number }): Promise<readonly MailRecord[]>;
  /** Tries again what is queued; returns how many left. */
  deliverQueued(): Promise<number>;
  /** No mail goes to this address any more (a bounce or complaint). */
  suppress(address: string, reason: string): Promise<void>;
  unsuppress(address: string): Promise<void>;
}
