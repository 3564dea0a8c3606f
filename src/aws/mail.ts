import type { SESv2Client } from "@aws-sdk/client-sesv2";
import type { Clock } from "../ports/clock.ts";
import { createOutboxMail, type OutboxMail } from "../postgres/mail/outbox-mail.ts";
import type { WriterPool } from "../postgres/pool.ts";
import { createSesSuppressions } from "./ses/suppressions.ts";
import { createSesTransport } from "./ses/transport.ts";

export { prepareMail } from "../postgres/mail/outbox-mail.ts";

/**
 * Mail through the outbox in the region's control database and SES in the region, whose identities (the sender's
 * domain) must be verified there. A message whose acknowledgement was lost is sent again; SES puts a Message-ID and a
 * Date of its own in the place of the outbox's (SES developer guide, "Header fields"), so receivers can't tell the two.
 * The outbox's suppression list is the one that counts, and the account's list in SES is a second lock: `suppress`
 * and `unsuppress` change both, and when SES can't be reached they throw and may be called again.
 * @throws E_AWS_ACCESS, E_AWS_THROTTLED, E_AWS_UNAVAILABLE from those two alone
 */
export function createMail(options: {
  readonly client: SESv2Client;
  readonly pool: WriterPool;
  readonly clock: Clock;
  /** Publishes what becomes of the messages; the identity's default without it. */
  readonly configurationSet?: string;
}): OutboxMail {
  const { client, pool, clock } = options;
  return createOutboxMail({
    pool,
    clock,
    transport: createSesTransport(options),
    serviceSuppressions: createSesSuppressions(client),
  });
}
