import type pg from "pg";
import { fault, RowhouseError } from "../../core/error.ts";
import type { WriterPool } from "../pool.ts";
import { type Lsn, parseLsn } from "./lsn.ts";
import { connectToSource, type Source } from "./source.ts";

/** A moment in the source's history: a snapshot shows what was before it, the slot gives what comes after it. */
export interface StartingPoint {
  readonly lsn: Lsn;
  /** For `SET TRANSACTION SNAPSHOT`, until the next command on the connection that made the slot. */
  readonly snapshot: string;
}

/** How long a new slot waits for transactions of anyone on the server that began before it. */
const patienceSeconds = 120;

/** Whichever side hears nothing from the other for so long takes it for dead; an idle server speaks after half of it. */
export const replyTimeoutSeconds = 20;

/** A connection of the replication protocol to the source's database. @throws E_DATABASE_UNAVAILABLE */
export function connectForReplication(source: Source): Promise<pg.Client> {
  return connectToSource(source, {
    replication: true,
    settings: { lock_timeout: `${patienceSeconds}s`, wal_sender_timeout: `${replyTimeoutSeconds}s` },
  });
}

/**
 * Makes the slot. Another one of its name is dropped first.
 * @throws E_DATABASE_BUSY when the server has no slot left, E_MOVE_FAILED when a transaction there does not end
 */
export async function createSlot(replication: pg.Client, source: Source): Promise<StartingPoint> {
  await dropSlot(source.pool, source.name);
  const { rows } = await replication
    .query<{ consistent_point: string; snapshot_name: string }>(
      `CREATE_REPLICATION_SLOT "${source.name}" LOGICAL pgoutput (SNAPSHOT 'export')`,
    )
    .catch((error) => {
      throw slotFault(error);
    });
  const { consistent_point = "", snapshot_name = "" } = rows[0] ?? {};
  return { lsn: parseLsn(consistent_point), snapshot: snapshot_name };
}

/** Why a server gives no changes, by SQLSTATE: another attempt would meet the same. */
const refusals: Readonly<Record<string, string>> = {
  "42704": "The server has no slot for the move any more: it was dropped, or the server has failed over.",
  "55000":
    "The server has given up the changes since the copy: more was written than it keeps for a slot (max_slot_wal_keep_size).",
  "55P03": `A transaction on the server has been open for more than ${patienceSeconds} s, and a copy begins after all that were open.`,
};

const noSlotLeft = "53400";

/** What went wrong with a slot as an error for people: E_MOVE_FAILED, or what may pass. */
export function slotFault(cause: unknown): RowhouseError {
  if (cause instanceof RowhouseError) return cause;
  const state = String((cause as { code?: unknown } | undefined)?.code);
  if (state === noSlotLeft) {
    const reason =
      "All slots that the server's max_replication_slots allows are in use: by moves and standbys.";
    return fault("E_DATABASE_BUSY", reason, { cause });
  }
  const refusal = refusals[state];
  return refusal === undefined
    ? fault("E_DATABASE_UNAVAILABLE", "The copying of changes stopped.", { cause })
    : fault("E_MOVE_FAILED", refusal, { cause });
}

/** Drops the slot and ends whoever reads it; one that is not there is no error. */
export async function dropSlot(pool: WriterPool, name: string): Promise<void> {
  await endReader(pool, name);
  await pool.query(
    "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE slot_name = $1",
    [name],
  );
}

/** Ends whoever reads the slot, and waits until it is free: a reader that was killed holds it for a while. */
export async function endReader(pool: WriterPool, name: string): Promise<void> {
  await pool.query(
    `SELECT pg_terminate_backend(active_pid, 10000) FROM pg_replication_slots
     WHERE slot_name = $1 AND active_pid IS NOT NULL`,
    [name],
  );
}

/** Names of the slots of this database that begin so. */
export async function listSlots(pool: WriterPool, prefix: string): Promise<string[]> {
  const { rows } = await pool.query<{ name: string }>(
    `SELECT slot_name AS name FROM pg_replication_slots
     WHERE starts_with(slot_name, $1) AND slot_type = 'logical' AND database = current_database()`,
    [prefix],
  );
  return rows.map(({ name }) => name);
}
