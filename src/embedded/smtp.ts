import { createTransport } from "nodemailer";
import type { DeliveryOutcome } from "../core/mail/delivery.ts";
import type { Mailbox } from "../core/mail/message.ts";

/** A message as it goes over the wire. */
export interface WireMessage {
  readonly messageId: string;
  readonly date: Date;
  readonly from: Mailbox;
  readonly to: Mailbox;
  readonly subject: string;
  readonly text: string;
  readonly html?: string;
}

/** A mail server that messages are handed to. */
export interface SmtpClient {
  /** Never rejects: what went wrong is part of the outcome. */
  deliver(message: WireMessage): Promise<DeliveryOutcome>;
  /** Ends the connections once the deliveries under way are done. */
  close(): Promise<void>;
}

/** How many messages are on their way to the server at once. */
export const smtpConnections = 5;

/** The longest that one delivery may take, however slowly the server trickles. */
const deliveryDeadlineMilliseconds = 60_000;

/** Replies that refuse the sender's login and not the message (RFC 4954, 6): an operator can mend that. */
const loginReplies: ReadonlySet<number> = new Set([530, 534, 535, 538]);

const longestErrorText = 500;

/** A pool of connections to `url` (`smtp://user:password@host:port`); opened at need and closed when idle. */
export function createSmtpClient(url: string): SmtpClient {
  const transport = createTransport({
    url,
    pool: true,
    maxConnections: smtpConnections,
    // The outbox decides what is sent again, and when.
    maxRequeues: 0,
    idleTimeout: 30_000,
    connectionTimeout: 10_000,
    greetingTimeout: 10_000,
    dnsTimeout: 10_000,
    socketTimeout: 30_000,
    disableFileAccess: true,
    disableUrlAccess: true,
  });
  // The pool reports a connection that broke here too; the delivery that was on it has its own error.
  transport.on("error", () => {});
  const underWay = new Set<Promise<DeliveryOutcome>>();

  async function deliver(message: WireMessage): Promise<DeliveryOutcome> {
    try {
      await transport.sendMail({
        ...message,
        from: { ...message.from },
        to: { ...message.to },
        xMailer: false,
        // RFC 3834: no out-of-office notes in answer to a machine.
        headers: { "Auto-Submitted": "auto-generated" },
        signal: AbortSignal.timeout(deliveryDeadlineMilliseconds),
      });
      return { type: "sent" };
    } catch (error) {
      return classify(error);
    }
  }

  return {
    deliver(message) {
      const delivery = deliver(message);
      underWay.add(delivery);
      return delivery.finally(() => underWay.delete(delivery));
    },
    async close() {
      await Promise.all(underWay);
      transport.close();
    },
  };
}

function classify(thrown: unknown): DeliveryOutcome {
  const { code, responseCode, permanent, message } = thrown as {
    code?: string;
    responseCode?: number;
    permanent?: boolean;
    message?: string;
  };
  const error = String(message ?? thrown).slice(0, longestErrorText);
  const aboutLogin = code === "EAUTH" || (responseCode !== undefined && loginReplies.has(responseCode));
  if (permanent && !aboutLogin) return { type: "refused", error };
  return {
    type: "postponed",
    error,
    reached: responseCode !== undefined && responseCode !== 421 && !aboutLogin,
  };
}
