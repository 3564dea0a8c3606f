import type { DeliveryDecision } from "../../core/mail/delivery.ts";
import type { MailMessage, MailRecord, MailStatus } from "../../ports/mail.ts";
import type { WriterPool } from "../pool.ts";

/** A message as the table holds it. */
export interface OutboxRow {
  readonly id: string;
  readonly tenant: string | null;
  readonly idempotency_key: string;
  readonly sender: string;
  readonly recipient: string;
  readonly subject: string;
  readonly text: string;
  readonly html: string | null;
  readonly status: MailStatus;
  readonly error: string | null;
  readonly attempts: number;
  readonly created_at: Date;
}

/**
 * How long a claimed message belongs to whoever claimed it. Several times the longest delivery: only a process that
 * died, or stood still, loses a message to another.
 */
const leaseSeconds = 300;

/** The outbox and the suppression list: who may send what, and when. */
export class OutboxTable {
  readonly #pool: WriterPool;

  constructor(pool: WriterPool) {
    this.#pool = pool;
  }

  /**
   * Keeps the message, or finds the one of the same tenant and key. A new one that is `queued` is claimed for the
   * caller already; to an address on the list it becomes `suppressed`.
   */
  async add(
    message: MailMessage,
    options: { readonly address: string; readonly status: "queued" | "not-configured"; readonly now: Date },
  ): Promise<{ readonly row: OutboxRow; readonly isNew: boolean }> {
    const { rows } = await this.#pool.query<OutboxRow>(
      `INSERT INTO engine.outbox (tenant, idempotency_key, sender, recipient, address, subject, text, html,
         status, error, attempts, next_attempt_at, created_at)
       SELECT $1, $2, $3, $4, $5, $6, $7, $8, CASE WHEN s.address IS NULL THEN $9 ELSE 'suppressed' END, s.reason, 1,
         $10::timestamptz + make_interval(secs => $11), $10
       FROM (VALUES (1)) AS one LEFT JOIN engine.suppressions s ON s.address = $5
       ON CONFLICT (tenant, idempotency_key) DO NOTHING
       RETURNING *`,
      [
        message.tenant,
        message.idempotencyKey,
        message.from,
        message.to,
        options.address,
        message.subject,
        message.text,
        message.html ?? null,
        options.status,
        options.now,
        leaseSeconds,
      ],
    );
    const row = rows[0];
    return row ? { row, isNew: true } : { row: await this.#find(message), isNew: false };
  }

  async #find(message: MailMessage): Promise<OutboxRow> {
    const { rows } = await this.#pool.query<OutboxRow>(
      "SELECT * FROM engine.outbox WHERE tenant IS NOT DISTINCT FROM $1 AND idempotency_key = $2",
      [message.tenant, message.idempotencyKey],
    );
    if (!rows[0]) throw new Error("A message of the outbox vanished between two looks.");
    return rows[0];
  }

  /** Sets aside what is due and goes to an address that was suppressed since. */
  async setAsideSuppressed(now: Date): Promise<void> {
    await this.#pool.query(
      `UPDATE engine.outbox AS message SET status = 'suppressed', error = s.reason FROM engine.suppressions s
       WHERE message.status = 'queued' AND message.next_attempt_at <= $1 AND s.address = message.address`,
      [now],
    );
  }

  /** Takes up to `limit` messages that are due; no message is taken by two callers. */
  async claim(now: Date, limit: number): Promise<readonly OutboxRow[]> {
    const { rows } = await this.#pool.query<OutboxRow>(
      `WITH due AS (
         SELECT id FROM engine.outbox WHERE status = 'queued' AND next_attempt_at <= $1
         ORDER BY next_attempt_at, position LIMIT $2 FOR UPDATE SKIP LOCKED
       )
       UPDATE engine.outbox AS message
       SET attempts = attempts + 1, next_attempt_at = $1::timestamptz + make_interval(secs => $3)
       FROM due WHERE message.id = due.id RETURNING message.*`,
      [now, limit, leaseSeconds],
    );
    return rows;
  }

  /** Writes down what became of a claimed message, unless another process has claimed it since. */
  async settle(row: OutboxRow, decision: DeliveryDecision, now: Date): Promise<void> {
    const retryAfterSeconds = decision.status === "queued" ? decision.retryAfterSeconds : 0;
    const error = decision.status === "sent" ? null : decision.error;
    await this.#pool.query(
      `UPDATE engine.outbox SET status = $3, error = $4, next_attempt_at = $5::timestamptz + make_interval(secs => $6)
       WHERE id = $1 AND status = 'queued' AND (attempts = $2 OR $3 = 'sent')`,
      [row.id, row.attempts, decision.status, error, now, retryAfterSeconds],
    );
  }

  async count(tenant: string): Promise<number> {
    const { rows } = await this.#pool.query<{ count: number }>(
      "SELECT count(*)::integer AS count FROM engine.outbox WHERE tenant = $1",
      [tenant],
    );
    return rows[0]?.count ?? 0;
  }

  async forget(tenant: string): Promise<void> {
    await this.#pool.query("DELETE FROM engine.outbox WHERE tenant = $1", [tenant]);
  }

  async list(tenant: string | null | undefined, limit: number): Promise<readonly MailRecord[]> {
    const { rows } = await this.#pool.query<OutboxRow>(
      `SELECT * FROM engine.outbox WHERE $1 OR tenant IS NOT DISTINCT FROM $2 ORDER BY position DESC LIMIT $3`,
      [tenant === undefined, tenant ?? null, limit],
    );
    return rows.map(toRecord);
  }

  async suppress(address: string, reason: string, now: Date): Promise<void> {
    await this.#pool.query(
      `INSERT INTO engine.suppressions (address, reason, created_at) VALUES ($1, $2, $3)
       ON CONFLICT (address) DO UPDATE SET reason = excluded.reason`,
      [address, reason, now],
    );
  }

  async unsuppress(address: string): Promise<void> {
    await this.#pool.query("DELETE FROM engine.suppressions WHERE address = $1", [address]);
  }
}

function toRecord(row: OutboxRow): MailRecord {
  return {
    id: row.id,
    tenant: row.tenant,
    from: row.sender,
    to: row.recipient,
    subject: row.subject,
    text: row.text,
    ...(row.html === null ? {} : { html: row.html }),
    status: row.status,
    createdAt: row.created_at,
    ...(row.error === null ? {} : { error: row.error }),
  };
}
