import { fault } from "../core/error.ts";
import { checkMessageBody, checkQueueName, checkRange, queueLimits } from "../core/queue/limits.ts";
import type { Clock } from "../ports/clock.ts";
import type { DeadLetter, QueueMessage, QueueOptions, Queues } from "../ports/queues.ts";
import { prepareEngineTables } from "../postgres/engine-tables.ts";
import type { WriterPool } from "../postgres/pool.ts";

/** How late a message of another process is noticed by one who waits; this process's own are noticed at once. */
const pollMilliseconds = 200;

/** What nobody wanted for so long goes when its queue is next ensured, as in SQS at its longest retention. */
const retentionDays = 14;

/** Makes the queues' tables in the region's control database. Call before `createQueues`. */
export function prepareQueues(pool: WriterPool): Promise<void> {
  return prepareEngineTables(pool, "queues", new URL("./sql/queues/", import.meta.url));
}

/** Queues as a table of the region's control database. It has no loops of its own: to make one costs nothing. */
export function createQueues(options: { readonly pool: WriterPool; readonly clock: Clock }): Queues {
  return new PostgresQueues(options);
}

interface MessageRow {
  readonly id: string;
  readonly body: string;
  readonly tenant: string | null;
  readonly receive_count: number;
  readonly sent_at: Date;
}

interface TakenRow extends MessageRow {
  readonly receipt: string;
  readonly dead: boolean;
}

class PostgresQueues implements Queues {
  readonly #pool: WriterPool;
  readonly #clock: Clock;
  readonly #waiters = new Map<string, Set<() => void>>();
  /** Queues that are there: none is ever removed. */
  readonly #known = new Set<string>();
  #closed = false;

  constructor({ pool, clock }: { readonly pool: WriterPool; readonly clock: Clock }) {
    this.#pool = pool;
    this.#clock = clock;
  }

  async ensure(queue: string, { visibilityTimeoutSeconds, maxReceives }: QueueOptions): Promise<void> {
    checkQueueName(queue);
    checkRange("visibilityTimeoutSeconds", visibilityTimeoutSeconds, 0, queueLimits.visibilityTimeoutSeconds);
    checkRange("maxReceives", maxReceives, 1, queueLimits.maxReceives);
    await this.#pool.query(
      `INSERT INTO engine.queues (name, visibility_timeout_seconds, max_receives) VALUES ($1, $2, $3)
       ON CONFLICT (name) DO UPDATE SET visibility_timeout_seconds = $2, max_receives = $3`,
      [queue, visibilityTimeoutSeconds, maxReceives],
    );
    await this.#pool.query(
      "DELETE FROM engine.queue_messages WHERE queue = $1 AND sent_at < $2::timestamptz - make_interval(days => $3)",
      [queue, this.#clock.now(), retentionDays],
    );
  }

  async send(
    queue: string,
    body: string,
    options: { readonly delaySeconds?: number; readonly tenant?: string } = {},
  ): Promise<{ readonly id: string }> {
    checkMessageBody(body);
    const delaySeconds = options.delaySeconds ?? 0;
    checkRange("delaySeconds", delaySeconds, 0, queueLimits.delaySeconds);
    const { rows } = await this.#pool.query<{ id: string }>(
      `INSERT INTO engine.queue_messages (queue, body, tenant, sent_at, visible_at)
       SELECT name, $2, $5, $3::timestamptz, $3::timestamptz + make_interval(secs => $4)
       FROM engine.queues WHERE name = $1 RETURNING id`,
      [queue, body, this.#clock.now(), delaySeconds, options.tenant ?? null],
    );
    const sent = rows[0] ?? noQueue(queue);
    this.#wake(queue);
    return sent;
  }

  async receive(
    queue: string,
    options: { readonly max: number; readonly waitSeconds?: number },
  ): Promise<readonly QueueMessage[]> {
    const waitSeconds = options.waitSeconds ?? 0;
    checkRange("max", options.max, 1, queueLimits.batch);
    checkRange("waitSeconds", waitSeconds, 0, queueLimits.waitSeconds);
    const deadline = this.#clock.elapsedMilliseconds() + waitSeconds * 1000;
    for (;;) {
      const sent = this.#nextSend(queue);
      try {
        const messages = await this.#take(queue, options.max);
        const left = deadline - this.#clock.elapsedMilliseconds();
        if (messages.length > 0 || left <= 0 || this.#closed) return messages;
        await this.#clock.sleep(Math.min(left, pollMilliseconds), sent.signal).catch(() => {});
      } finally {
        sent.forget();
      }
    }
  }

  /** Aborted when this process sends to the queue, or closes. */
  #nextSend(queue: string): { readonly signal: AbortSignal; forget(): void } {
    const sent = new AbortController();
    const waiters = this.#waiters.get(queue) ?? new Set();
    this.#waiters.set(queue, waiters);
    const wake = () => sent.abort();
    waiters.add(wake);
    return { signal: sent.signal, forget: () => void waiters.delete(wake) };
  }

  /** Messages in order of when they became visible; those delivered too often go to the dead letters instead. */
  async #take(queue: string, max: number): Promise<QueueMessage[]> {
    for (;;) {
      const { rows } = await this.#pool.query<TakenRow>(
        `WITH due AS (
           SELECT message.id, message.receive_count >= queues.max_receives AS dead, visibility_timeout_seconds
           FROM engine.queue_messages AS message JOIN engine.queues ON queues.name = message.queue
           WHERE message.queue = $1 AND message.dead_at IS NULL AND message.visible_at <= $2
           ORDER BY message.visible_at LIMIT $3 FOR UPDATE OF message SKIP LOCKED
         )
         UPDATE engine.queue_messages AS message SET
           receive_count = message.receive_count + CASE WHEN dead THEN 0 ELSE 1 END,
           receipt = CASE WHEN dead THEN NULL ELSE gen_random_uuid() END,
           dead_at = CASE WHEN dead THEN $2::timestamptz END,
           visible_at = $2::timestamptz + make_interval(secs => visibility_timeout_seconds)
         FROM due WHERE message.id = due.id
         RETURNING message.id, message.body, message.tenant, message.receive_count, message.sent_at, message.receipt, dead`,
        [queue, this.#clock.now(), max],
      );
      if (rows.length === 0) await this.#requireQueue(queue);
      const live = rows.filter((row) => !row.dead);
      if (live.length > 0 || rows.length === 0) {
        return live.map((row) => ({ ...toLetter(row), receipt: `${row.id}.${row.receipt}` }));
      }
    }
  }

  async changeVisibility(queue: string, receipt: string, visibilityTimeoutSeconds: number): Promise<void> {
    checkRange("visibilityTimeoutSeconds", visibilityTimeoutSeconds, 0, queueLimits.visibilityTimeoutSeconds);
    const { rowCount } = await this.#pool.query(
      `UPDATE engine.queue_messages SET visible_at = $4::timestamptz + make_interval(secs => $5)
       WHERE queue = $1 AND id = $2 AND receipt = $3 AND visible_at > $4`,
      [queue, ...readReceipt(receipt), this.#clock.now(), visibilityTimeoutSeconds],
    );
    if (rowCount === 0) await this.#requireQueue(queue);
  }

  async acknowledge(queue: string, receipt: string): Promise<void> {
    const { rowCount } = await this.#pool.query(
      "DELETE FROM engine.queue_messages WHERE queue = $1 AND id = $2 AND receipt = $3",
      [queue, ...readReceipt(receipt)],
    );
    if (rowCount === 0) await this.#requireQueue(queue);
  }

  async depth(queue: string) {
    await this.#requireQueue(queue);
    const { rows } = await this.#pool.query<Record<"visible" | "inFlight" | "delayed" | "dead", number>>(
      `SELECT count(*) FILTER (WHERE NOT dead AND due)::integer AS visible,
              count(*) FILTER (WHERE NOT dead AND NOT due AND receive_count > 0)::integer AS "inFlight",
              count(*) FILTER (WHERE NOT dead AND NOT due AND receive_count = 0)::integer AS delayed,
              count(*) FILTER (WHERE dead)::integer AS dead
       FROM (SELECT receive_count, visible_at <= $2 AS due,
                    dead_at IS NOT NULL OR (visible_at <= $2 AND receive_count >= max_receives) AS dead
             FROM engine.queue_messages JOIN engine.queues ON queues.name = queue WHERE queue = $1) AS message`,
      [queue, this.#clock.now()],
    );
    return rows[0] ?? noQueue(queue);
  }

  async deadLetters(
    queue: string,
    options: { readonly max: number; readonly redrive?: boolean },
  ): Promise<readonly DeadLetter[]> {
    checkRange("max", options.max, 1, queueLimits.batch);
    await this.#requireQueue(queue);
    const now = this.#clock.now();
    // What was delivered too often goes to the dead letters when it is next looked for, or here.
    await this.#pool.query(
      `UPDATE engine.queue_messages AS message SET dead_at = visible_at, receipt = NULL FROM engine.queues
       WHERE queues.name = $1 AND queue = $1 AND dead_at IS NULL AND visible_at <= $2 AND receive_count >= max_receives`,
      [queue, now],
    );
    const oldest = `SELECT id, body, tenant, receive_count, sent_at, dead_at FROM engine.queue_messages
      WHERE queue = $1 AND dead_at IS NOT NULL ORDER BY dead_at, id LIMIT $2`;
    const redrive = `WITH oldest AS (${oldest} FOR UPDATE SKIP LOCKED), redriven AS (
        UPDATE engine.queue_messages AS message SET dead_at = NULL, receive_count = 0, sent_at = $3, visible_at = $3
        FROM oldest WHERE message.id = oldest.id)
      SELECT * FROM oldest ORDER BY dead_at, id`;
    const { rows } = options.redrive
      ? await this.#pool.query<MessageRow>(redrive, [queue, options.max, now])
      : await this.#pool.query<MessageRow>(oldest, [queue, options.max]);
    if (options.redrive) this.#wake(queue);
    return rows.map(toLetter);
  }

  async countOf(queue: string, tenant: string): Promise<number> {
    await this.#requireQueue(queue);
    const { rows } = await this.#pool.query<{ count: number }>(
      "SELECT count(*)::integer AS count FROM engine.queue_messages WHERE queue = $1 AND tenant = $2",
      [queue, tenant],
    );
    return rows[0]?.count ?? 0;
  }

  async forget(queue: string, tenant: string) {
    await this.#requireQueue(queue);
    const { rowCount } = await this.#pool.query(
      "DELETE FROM engine.queue_messages WHERE queue = $1 AND tenant = $2",
      [queue, tenant],
    );
    return { removed: rowCount ?? 0, leftForSeconds: 0 };
  }

  async close(): Promise<void> {
    this.#closed = true;
    for (const queue of this.#waiters.keys()) this.#wake(queue);
  }

  #wake(queue: string): void {
    for (const wake of this.#waiters.get(queue) ?? []) wake();
  }

  async #requireQueue(queue: string): Promise<void> {
    if (this.#known.has(queue)) return;
    const { rows } = await this.#pool.query("SELECT 1 FROM engine.queues WHERE name = $1", [queue]);
    if (rows.length === 0) noQueue(queue);
    this.#known.add(queue);
  }
}

function toLetter(row: MessageRow): DeadLetter {
  const { id, body, tenant, receive_count: receiveCount, sent_at: sentAt } = row;
  return { id, body, ...(tenant === null ? {} : { tenant }), receiveCount, sentAt };
}

/** The message's id and the delivery's token. @throws E_ARGUMENT for what no delivery ever had */
function readReceipt(receipt: string): [id: string, token: string] {
  const uuid = "[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}";
  const [, id, token] = new RegExp(`^(${uuid})\\.(${uuid})$`).exec(receipt) ?? [];
  if (id === undefined || token === undefined) throw fault("E_ARGUMENT", "This is no receipt of a message.");
  return [id, token];
}

function noQueue(queue: string): never {
  throw fault("E_NOT_FOUND", `There is no queue "${queue}".`);
}
