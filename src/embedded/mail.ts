import { createHash } from "node:crypto";
import { decideDelivery } from "../core/mail/delivery.ts";
import { checkMessage, normalizeAddress, parseMailbox } from "../core/mail/message.ts";
import type { Clock } from "../ports/clock.ts";
import type { Mail, MailMessage, MailRecord, MailStatus } from "../ports/mail.ts";
import type { WriterPool } from "../postgres/pool.ts";
import { prepareEngineTables } from "./engine-tables.ts";
import { type OutboxRow, OutboxTable } from "./outbox-table.ts";
import { createSmtpClient, type SmtpClient, smtpConnections } from "./smtp.ts";

/** The mail of a region, and what its owner has to do for it. Call `deliverQueued` about twice a minute. */
export interface OutboxMail extends Mail {
  /** Waits for deliveries under way and closes the connections to the mail server. The pool stays open. */
  close(): Promise<void>;
}

/** Makes the outbox and the suppression list in the region's control database. Call before `createMail`. */
export function prepareMail(pool: WriterPool): Promise<void> {
  return prepareEngineTables(pool, "mail");
}

/**
 * Mail through an outbox table: `smtp` is `smtp://user:password@host:port`, and without it messages are kept as
 * `not-configured`. No two processes send the same message at the same time. A message that the server acknowledged
 * is never sent again; one whose acknowledgement was lost (the connection broke after the data, or this process died
 * before it wrote it down) is, with the same Message-ID, by which receivers drop the second.
 */
export function createMail(options: {
  readonly pool: WriterPool;
  readonly clock: Clock;
  readonly smtp?: string;
}): OutboxMail {
  const outbox = new OutboxTable(options.pool);
  const smtp = options.smtp === undefined ? undefined : createSmtpClient(options.smtp);
  return new Mailer(outbox, options.clock, smtp);
}

class Mailer implements OutboxMail {
  readonly #outbox: OutboxTable;
  readonly #clock: Clock;
  readonly #smtp: SmtpClient | undefined;

  constructor(outbox: OutboxTable, clock: Clock, smtp: SmtpClient | undefined) {
    this.#outbox = outbox;
    this.#clock = clock;
    this.#smtp = smtp;
  }

  async send(message: MailMessage): Promise<{ readonly id: string; readonly status: MailStatus }> {
    checkMessage(message);
    parseMailbox(message.from, "from");
    const address = normalizeAddress(message.to);
    const status = this.#smtp ? "queued" : "not-configured";
    const { row, isNew } = await this.#outbox.add(message, { address, status, now: this.#clock.now() });
    if (!isNew || row.status !== "queued" || !this.#smtp) return { id: row.id, status: row.status };
    return { id: row.id, status: (await this.#deliver(this.#smtp, row)).status };
  }

  async deliverQueued(): Promise<number> {
    if (!this.#smtp) return 0;
    const smtp = this.#smtp;
    await this.#outbox.setAsideSuppressed(this.#clock.now());
    let sent = 0;
    for (;;) {
      const rows = await this.#outbox.claim(this.#clock.now(), smtpConnections);
      const results = await Promise.all(rows.map((row) => this.#deliver(smtp, row)));
      sent += results.filter(({ status }) => status === "sent").length;
      // A server that is away is not asked again for each of a thousand messages.
      if (!results.some(({ reached }) => reached)) return sent;
    }
  }

  outbox(options: {
    readonly tenant?: string | null;
    readonly limit?: number;
  }): Promise<readonly MailRecord[]> {
    return this.#outbox.list(options.tenant, options.limit ?? 100);
  }

  forget(tenant: string): Promise<void> {
    return this.#outbox.forget(tenant);
  }

  async suppress(address: string, reason: string): Promise<void> {
    await this.#outbox.suppress(normalizeAddress(address), reason, this.#clock.now());
  }

  async unsuppress(address: string): Promise<void> {
    await this.#outbox.unsuppress(normalizeAddress(address));
  }

  async close(): Promise<void> {
    await this.#smtp?.close();
  }

  /** Sends a claimed message and writes down what became of it. `reached`: a server answered. */
  async #deliver(smtp: SmtpClient, row: OutboxRow): Promise<{ status: MailStatus; reached: boolean }> {
    const outcome = await smtp.deliver({
      messageId: messageIdOf(row),
      date: row.created_at,
      from: parseMailbox(row.sender, "from"),
      to: parseMailbox(row.recipient, "to"),
      subject: row.subject,
      text: row.text,
      ...(row.html === null ? {} : { html: row.html }),
    });
    const now = this.#clock.now();
    const ageSeconds = (now.getTime() - row.created_at.getTime()) / 1000;
    const decision = decideDelivery(outcome, { attempts: row.attempts, ageSeconds });
    await this.#outbox.settle(row, decision, now);
    return { status: decision.status, reached: outcome.type !== "postponed" || outcome.reached };
  }
}

/** The same for each attempt at a message, and telling nothing of its key. */
function messageIdOf(row: OutboxRow): string {
  const hash = createHash("sha256")
    .update(JSON.stringify([row.tenant, row.idempotency_key]))
    .digest("base64url");
  const domain = parseMailbox(row.sender, "from").address.split("@").at(-1);
  return `<${hash}@${domain}>`;
}
