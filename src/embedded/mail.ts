import type { Clock } from "../ports/clock.ts";
import { createOutboxMail, type OutboxMail } from "../postgres/mail/outbox-mail.ts";
import type { WriterPool } from "../postgres/pool.ts";
import { createSmtpTransport } from "./smtp.ts";

export { prepareMail } from "../postgres/mail/outbox-mail.ts";

/**
 * Mail through the outbox and a mail server: `smtp` is `smtp://user:password@host:port`, and without it messages are
 * kept as `not-configured`. A message whose acknowledgement was lost is sent again with the same Message-ID, by which
 * receivers drop the second.
 */
export function createMail(options: {
  readonly pool: WriterPool;
  readonly clock: Clock;
  readonly smtp?: string;
}): OutboxMail {
  const { pool, clock, smtp } = options;
  return createOutboxMail({
    pool,
    clock,
    ...(smtp === undefined ? {} : { transport: createSmtpTransport(smtp) }),
  });
}
