import { createHash } from "node:crypto";
import { decideDelivery } from "../../core/mail/delivery.ts";
import { checkMessage, normalizeAddress, parseMailbox } from "../../core/mail/message.ts";
import type { Clock } from "../../ports/clock.ts";
import type { Mail, MailMessage, MailRecord, MailStatus } from "../../ports/mail.ts";
import { prepareEngineTables } from "../engine-tables.ts";
import type { WriterPool } from "../pool.ts";
import { type OutboxRow, OutboxTable } from "./outbox-table.ts";
import type { MailTransport } from "./transport.ts";

/** The mail of a region, and what its owner has to do for it. Call `deliverQueued` about twice a minute. */
export interface OutboxMail extends Mail {
  /** Waits until what became of the deliveries under way is written down; call it before the pool ends. */
  close(): Promise<void>;
}

/** A mail service's own list of addresses that it refuses, kept in step with the outbox's list. */
export interface ServiceSuppressions {
  add(address: string, reason: string): Promise<void>;
  /** No error when it is not on the list. */
  remove(address: string): Promise<void>;
}

/** Makes the outbox and the suppression list in the region's control database. Call before `createOutboxMail`. */
export function prepareMail(pool: WriterPool): Promise<void> {
  return prepareEngineTables(pool, "mail", new URL("./sql/", import.meta.url));
}

/**
 * Mail through an outbox table; without a `transport` messages are kept as `not-configured`. No two processes hand
 * over the same message at the same time. A message whose acknowledgement was written down is never handed over again;
 * one whose acknowledgement was lost (the connection broke after the data, or this process died) is.
 */
export function createOutboxMail(options: {
  readonly pool: WriterPool;
  readonly clock: Clock;
  readonly transport?: MailTransport;
  readonly serviceSuppressions?: ServiceSuppressions;
}): OutboxMail {
  return new OutboxMailer(options);
}

class OutboxMailer implements OutboxMail {
  readonly #outbox: OutboxTable;
  readonly #clock: Clock;
  readonly #transport: MailTransport | undefined;
  readonly #serviceSuppressions: ServiceSuppressions | undefined;
  readonly #underWay = new Set<Promise<unknown>>();

  constructor(options: Parameters<typeof createOutboxMail>[0]) {
    this.#outbox = new OutboxTable(options.pool);
    this.#clock = options.clock;
    this.#transport = options.transport;
    this.#serviceSuppressions = options.serviceSuppressions;
  }

  async send(message: MailMessage): Promise<{ readonly id: string; readonly status: MailStatus }> {
    checkMessage(message);
    parseMailbox(message.from, "from");
    const address = normalizeAddress(message.to);
    const status = this.#transport ? "queued" : "not-configured";
    const { row, isNew } = await this.#outbox.add(message, { address, status, now: this.#clock.now() });
    if (!isNew || row.status !== "queued" || !this.#transport) return { id: row.id, status: row.status };
    return { id: row.id, status: (await this.#deliver(this.#transport, row)).status };
  }

  async deliverQueued(): Promise<number> {
    if (!this.#transport) return 0;
    const transport = this.#transport;
    await this.#outbox.setAsideSuppressed(this.#clock.now());
    let sent = 0;
    for (;;) {
      const rows = await this.#outbox.claim(this.#clock.now(), transport.concurrency);
      const results = await Promise.all(rows.map((row) => this.#deliver(transport, row)));
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

  count(tenant: string): Promise<number> {
    return this.#outbox.count(tenant);
  }

  forget(tenant: string): Promise<void> {
    return this.#outbox.forget(tenant);
  }

  async suppress(address: string, reason: string): Promise<void> {
    const normalized = normalizeAddress(address);
    await this.#outbox.suppress(normalized, reason, this.#clock.now());
    await this.#serviceSuppressions?.add(normalized, reason);
  }

  async unsuppress(address: string): Promise<void> {
    const normalized = normalizeAddress(address);
    // The service's list first: a message that only the service refuses would count as sent and arrive nowhere.
    await this.#serviceSuppressions?.remove(normalized);
    await this.#outbox.unsuppress(normalized);
  }

  async close(): Promise<void> {
    await Promise.allSettled(this.#underWay);
    this.#transport?.close();
  }

  #deliver(transport: MailTransport, row: OutboxRow): Promise<{ status: MailStatus; reached: boolean }> {
    const delivery = this.#deliverAndSettle(transport, row);
    this.#underWay.add(delivery);
    return delivery.finally(() => this.#underWay.delete(delivery));
  }

  /** Hands over a claimed message and writes down what became of it. `reached`: the other side answered. */
  async #deliverAndSettle(
    transport: MailTransport,
    row: OutboxRow,
  ): Promise<{ status: MailStatus; reached: boolean }> {
    const outcome = await transport.deliver({
      id: row.id,
      tenant: row.tenant,
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
