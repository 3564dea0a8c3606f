import type { DeliveryOutcome } from "../../core/mail/delivery.ts";
import type { Mailbox } from "../../core/mail/message.ts";

/** A message as it is handed over. */
export interface OutgoingMessage {
  /** The outbox's own id of it. */
  readonly id: string;
  /** The tenant that sends, or `null` for the platform itself. */
  readonly tenant: string | null;
  /** The same for each attempt. */
  readonly messageId: string;
  readonly date: Date;
  readonly from: Mailbox;
  readonly to: Mailbox;
  readonly subject: string;
  readonly text: string;
  readonly html?: string;
}

/** Who takes messages from the outbox and brings them to their recipients. */
export interface MailTransport {
  /** How many messages may be on their way to it at once. */
  readonly concurrency: number;
  /** Never rejects: what went wrong is part of the outcome. Gives up after a minute, so well before its lease ends. */
  deliver(message: OutgoingMessage): Promise<DeliveryOutcome>;
  /** Ends its connections; no delivery is under way any more. */
  close(): void;
}

/** The longest that one delivery may take, however slowly the other side trickles. */
export const deliveryDeadlineMilliseconds = 60_000;

/** The longest text of a transport's error that the outbox keeps. */
export const longestErrorText = 500;

/** What nodemailer composes a message from, so that it has the same headers and bodies by every transport. */
export function compositionOf(message: OutgoingMessage) {
  return {
    messageId: message.messageId,
    date: message.date,
    from: { ...message.from },
    to: { ...message.to },
    subject: message.subject,
    text: message.text,
    ...(message.html === undefined ? {} : { html: message.html }),
    xMailer: false as const,
    // RFC 3834: no out-of-office notes in answer to a machine.
    headers: { "Auto-Submitted": "auto-generated" },
  };
}
