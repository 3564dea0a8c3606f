import { createTransport } from "nodemailer";
import type { DeliveryOutcome } from "../core/mail/delivery.ts";
import {
  compositionOf,
  deliveryDeadlineMilliseconds,
  longestErrorText,
  type MailTransport,
} from "../postgres/mail/transport.ts";

const connections = 5;

/** Replies that refuse the sender's login and not the message (RFC 4954, 6): an operator can mend that. */
const loginReplies: ReadonlySet<number> = new Set([530, 534, 535, 538]);

/** A pool of connections to `url` (`smtp://user:password@host:port`); opened at need and closed when idle. */
export function createSmtpTransport(url: string): MailTransport {
  const transport = createTransport({
    url,
    pool: true,
    maxConnections: connections,
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
  return {
    concurrency: connections,
    async deliver(message) {
      try {
        await transport.sendMail({
          ...compositionOf(message),
          signal: AbortSignal.timeout(deliveryDeadlineMilliseconds),
        });
        return { type: "sent" };
      } catch (error) {
        return classify(error);
      }
    },
    close: () => transport.close(),
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
