export interface MailMessage {
  /** The tenant that sends, or `null` for the platform itself. */
  readonly tenant: string | null;
  /** `"Acme <acme@bookshop.example>"` or a bare address. */
  readonly from: string;
  readonly to: string;
  readonly subject: string;
  readonly text: string;
  readonly html?: string;
  /** The same tenant's same key is one message, however often it is asked for; what differs the second time is ignored. */
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
  /**
   * Kept and, where a server is configured, handed over; a passing fault of the server leaves it queued. A server that
   * falls silent after it has the message may get it a second time, with the same Message-ID unless the server gives
   * its own: mail has no protocol that could rule that out.
   * @throws E_ARGUMENT for an address that is none, or a line break where a header would break
   */
  send(message: MailMessage): Promise<{ readonly id: string; readonly status: MailStatus }>;
  /** Newest first, at most `limit` (default 100); without `tenant` of all, with `null` the platform's own. */
  outbox(options: {
    readonly tenant?: string | null;
    readonly limit?: number;
  }): Promise<readonly MailRecord[]>;
  /** Tries again what is queued and due; returns how many messages were handed over. */
  deliverQueued(): Promise<number>;
  /** No mail goes to this address any more (a bounce or complaint); its case does not matter. */
  suppress(address: string, reason: string): Promise<void>;
  unsuppress(address: string): Promise<void>;
  /** How many messages of one tenant there are. */
  count(tenant: string): Promise<number>;
  /** Removes all of one tenant's messages, the queued ones too: the tenant is gone. */
  forget(tenant: string): Promise<void>;
}
