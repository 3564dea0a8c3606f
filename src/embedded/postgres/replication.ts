import { standbyName } from "./configuration.ts";
import type { NodeMonitor } from "./monitor.ts";

/** A standby that has said nothing for so long is not waited for any longer. */
const patienceMilliseconds = 2500;

/** A standby may lag this far behind when commits begin to wait for it: they wait until it caught up. */
const joinLagBytes = 16 * 1024 * 1024;

/** What a primary says of its standby. */
export interface StandbyView {
  /** The standby gets the log, be it still catching up: one that can't be given what it asks for connects too, and again. */
  readonly isConnected: boolean;
  readonly isStreaming: boolean;
  /** Commits wait for it, as its connection sees the configuration. */
  readonly isSynchronous: boolean;
  /** Not yet on the standby's disk. */
  readonly unflushedBytes: number;
  /** Not yet visible on the standby. */
  readonly lagBytes: number | null;
  /** Since it last reported. */
  readonly silentMilliseconds: number;
  readonly hasSlot: boolean;
}

const viewSql = `
  SELECT coalesce(r.state <> 'startup', false) AS "isConnected",
    coalesce(r.state = 'streaming', false) AS "isStreaming",
    coalesce(r.sync_state = 'sync', false) AS "isSynchronous",
    -- Unknown counts as much: a standby that just connected has not reported yet.
    coalesce(pg_wal_lsn_diff(pg_current_wal_lsn(), r.flush_lsn), 1e15)::float8 AS "unflushedBytes",
    (CASE WHEN r.replay_lsn IS NOT NULL
      THEN greatest(pg_wal_lsn_diff(pg_current_wal_lsn(), r.replay_lsn), 0) END)::float8 AS "lagBytes",
    coalesce(greatest(extract(epoch FROM clock_timestamp() - r.reply_time) * 1000, 0), 0)::float8 AS "silentMilliseconds",
    EXISTS (SELECT FROM pg_replication_slots WHERE slot_name = $1) AS "hasSlot"
  FROM (VALUES (1)) AS always LEFT JOIN pg_stat_replication r ON r.application_name = $1
  ORDER BY r.backend_start DESC LIMIT 1`;

/** Asks the primary of the standby in `zone`; `undefined` when it gives no answer in time. */
export async function viewStandby(
  primary: NodeMonitor,
  zone: string,
  timeoutMilliseconds: number,
): Promise<StandbyView | undefined> {
  return (
    await primary.query<StandbyView & Record<string, unknown>>(
      viewSql,
      [standbyName(zone)],
      timeoutMilliseconds,
    )
  )?.[0];
}

/**
 * What to do about a standby:
 * - `release`: commits stop waiting for it, after it is written down that it is not in sync;
 * - `join`: commits begin to wait for it;
 * - `confirm`: make sure that it has everything, and write down that it is in sync.
 */
type ReplicationStep = "wait" | "release" | "join" | "confirm";

/** Decides the next step of synchronous replication. */
export function nextReplicationStep(now: {
  readonly view: StandbyView;
  /** Commits wait for the standby. */
  readonly isWaitedFor: boolean;
  readonly inSync: boolean;
  /** Since the standby was last heard of while it streamed, or since the primary began to take connections. */
  readonly unheardMilliseconds: number;
}): ReplicationStep {
  const { view, isWaitedFor, inSync, unheardMilliseconds } = now;
  if (unheardMilliseconds >= patienceMilliseconds) return isWaitedFor ? "release" : "wait";
  if (!view.isStreaming) return "wait";
  if (!isWaitedFor) return view.unflushedBytes <= joinLagBytes ? "join" : "wait";
  return !inSync && view.isSynchronous ? "confirm" : "wait";
}

/** The standby streams, and reported lately. */
export function isHeard(view: StandbyView): boolean {
  return view.isStreaming && view.silentMilliseconds < patienceMilliseconds;
}
