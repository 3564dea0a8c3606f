import { tracingChannel } from "node:diagnostics_channel";
import { fault } from "../../core/error.ts";
import type { NodeConfiguration } from "./configuration.ts";
import { NodeMonitor } from "./monitor.ts";
import type { PostgresNode } from "./node.ts";
import type { NodeKeeper } from "./node-keeper.ts";
import { ask } from "./pulse.ts";
import type { ServerRecord } from "./server-record.ts";
import { type ServerState, standbyZone } from "./server-state.ts";
import type { Synchrony } from "./synchrony.ts";
import { readHistory } from "./timeline.ts";

/**
 * What makes the standby the primary, in this order. Each step may be repeated; whoever comes after a crash begins with
 * the first again. Until `announce` is written the standby is one, and the old primary may be started again; from then
 * on the old primary is not started before the standby has taken its place, or certainly never will. So at no moment
 * both may take writes.
 */
export const failoverSteps = ["fence", "announce", "promote", "forget", "record"] as const;
/** What goes before that when a primary hands over on purpose: the standby gets all, and the old one can follow. */
export const handoverSteps = ["checkpoint", "shutDown", "compare"] as const;

export type FailoverStep = (typeof failoverSteps)[number] | (typeof handoverSteps)[number];

/** Node's diagnostics channel of failovers, for whoever wants to see where the time goes; silent without listeners. */
export const failoverChannel = "rowhouse:failover";

const channel = tracingChannel<object, { readonly step: FailoverStep }>(failoverChannel);

const checkpointMilliseconds = 30_000;
const shutdownMilliseconds = 10_000;
const compareMilliseconds = 2000;
/** For one attempt; the next tick goes on. */
const promotionMilliseconds = 5000;
const askMilliseconds = 1000;
const askAgainMilliseconds = 5;
const triggerAgainMilliseconds = 400;

const inRecoverySql = 'SELECT pg_is_in_recovery() AS "inRecovery"';
/** Ends the queries of a standby's readers while its recovery waits for them: it would for 30 seconds. */
const endReadersSql = `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
  WHERE backend_type = 'client backend' AND pid <> pg_backend_pid() AND EXISTS (
    SELECT FROM pg_stat_activity WHERE backend_type = 'startup'
      AND (wait_event_type IN ('Lock', 'BufferPin') OR wait_event LIKE 'RecoveryConflict%'))`;

export interface FailoverParts {
  readonly record: ServerRecord;
  readonly keeper: (zone: string) => NodeKeeper;
  readonly monitor: (zone: string) => NodeMonitor;
  /** What a node is to run with, as the record has its role. */
  readonly configuration: (zone: string) => Promise<NodeConfiguration>;
  readonly synchrony: Synchrony;
  readonly log: (message: string) => void;
  readonly ended: AbortSignal;
}

/** Changes the roles of a pair's two nodes. Nobody else may look after them meanwhile. */
export class Failover {
  readonly #parts: FailoverParts;

  constructor(parts: FailoverParts) {
    this.#parts = parts;
  }

  /**
   * Ends the primary for certain and makes the standby the primary; the caller made sure that it has every acknowledged
   * write. Also goes on with what was begun.
   * @throws E_DATABASE_UNAVAILABLE when the standby does not take writes yet: to be repeated
   */
  run(): Promise<void> {
    return this.#replace({ diverged: this.#old.place.zone });
  }

  async #replace(mark: Pick<ServerState, "diverged">): Promise<void> {
    await this.#step("fence", () => this.#old.fence());
    await this.#step("announce", () => this.#announce(mark));
    try {
      await this.#step("promote", () => this.#promote());
    } catch (error) {
      if (await this.#withdraw()) return;
      throw error;
    }
    await this.#step("forget", () => this.#forget());
    await this.#step("record", () => this.#record());
  }

  /**
   * The same on purpose, with a primary that is well.
   * @throws E_STANDBY_BEHIND when the standby did not get all; the primary is to be started again
   */
  async handOver(): Promise<void> {
    // Brings most of the shutdown's work forward, while writes still go on.
    await this.#step("checkpoint", () => this.#checkpoint());
    await this.#step("shutDown", () => this.#old.stop("SIGINT", shutdownMilliseconds));
    await this.#step("compare", () => this.#compare());
    await this.#replace({});
  }

  get #old(): PostgresNode {
    return this.#parts.keeper(this.#parts.record.state.primary).node;
  }

  get #next(): PostgresNode {
    const { state } = this.#parts.record;
    return this.#parts.keeper(state.promoting ?? standbyZone(state)).node;
  }

  #step(step: FailoverStep, work: () => Promise<void>): Promise<void> {
    return channel.tracePromise(work, { step });
  }

  async #announce(mark: Pick<ServerState, "diverged">): Promise<void> {
    const { record, synchrony, log } = this.#parts;
    if (record.state.promoting !== undefined) return;
    const { zone } = this.#next.place;
    log(`the node in zone ${zone} becomes the primary`);
    await synchrony.startOver((state) => ({ ...state, promoting: zone, ...mark }));
  }

  async #promote(): Promise<void> {
    const { keeper, monitor, configuration, ended } = this.#parts;
    const { zone, clock } = this.#next.place;
    const beganAt = clock.elapsedMilliseconds();
    let triggerAt = beganAt;
    for (;;) {
      const { status } = await keeper(zone).keep(await configuration(zone));
      const rows =
        status === "running"
          ? await monitor(zone).query<{ inRecovery: boolean }>(inRecoverySql, [], askMilliseconds)
          : undefined;
      if (rows?.[0]?.inRecovery === false) return;
      const now = clock.elapsedMilliseconds();
      if (ended.aborted || now - beganAt > promotionMilliseconds) throw notYet(zone);
      if (rows && now >= triggerAt) {
        if (triggerAt > beganAt) await monitor(zone).query(endReadersSql, [], askMilliseconds);
        await this.#next.promote();
        triggerAt = now + triggerAgainMilliseconds;
      }
      await clock.sleep(askAgainMilliseconds);
    }
  }

  /**
   * Gives a promotion up that can't be: the standby does not start any more, or hangs. It never took a write if it is
   * on no newer timeline, and then the old primary still has everything.
   */
  async #withdraw(): Promise<boolean> {
    const { record, keeper, log } = this.#parts;
    const [next, old] = [this.#next, this.#old];
    const { zone } = next.place;
    const isHopeless = keeper(zone).fault !== undefined || (await ask(next.place)) === "silent";
    if (!isHopeless) return false;
    await next.fence();
    const [nextHistory, oldHistory] = await Promise.all([
      readHistory(next.place.dataFolder),
      readHistory(old.place.dataFolder),
    ]);
    if (!nextHistory || !oldHistory || nextHistory.timeline > oldHistory.timeline) return false;
    log(`the node in zone ${zone} can't become the primary; the one of before is started again`);
    await record.change(({ promoting: _promoting, diverged: _diverged, ...state }) => state);
    return true;
  }

  /** A standby keeps no log for others; what it kept as a primary would pile up, and be out of date when it is one again. */
  async #forget(): Promise<void> {
    const isThere = await readHistory(this.#old.place.dataFolder);
    if (isThere) await this.#old.emptyFolder("pg_replslot");
  }

  async #record(): Promise<void> {
    const { record, log } = this.#parts;
    const { zone } = this.#next.place;
    await record.change(({ promoting: _, ...state }) => ({ ...state, primary: zone }));
    log(`the node in zone ${zone} is the primary`);
  }

  async #checkpoint(): Promise<void> {
    const { record } = this.#parts;
    // Of its own: whoever describes the server meanwhile cuts a connection that does not answer at once.
    const monitor = new NodeMonitor(this.#old.place, () => record.credentials("administrator"));
    await monitor.query("CHECKPOINT", [], checkpointMilliseconds).finally(() => monitor.close());
  }

  /** The last thing that a primary writes is the checkpoint of its shutdown; the standby has replayed it, or lacks something. */
  async #compare(): Promise<void> {
    const { monitor, synchrony } = this.#parts;
    const { clock } = this.#old.place;
    const { zone } = this.#next.place;
    const last = await readHistory(this.#old.place.dataFolder);
    const deadline = clock.elapsedMilliseconds() + compareMilliseconds;
    while (last?.isShutDown && clock.elapsedMilliseconds() < deadline) {
      const rows = await monitor(zone).query<{ hasAll: boolean }>(
        'SELECT pg_last_wal_replay_lsn() > $1::pg_lsn AS "hasAll"',
        [last.checkpoint],
        askMilliseconds,
      );
      if (rows?.[0]?.hasAll) return;
      await clock.sleep(askAgainMilliseconds);
    }
    // Else the next look would promote it all the same: it has what was acknowledged.
    await synchrony.startOver((state) => state);
    throw fault("E_STANDBY_BEHIND", "The standby did not get the last that its primary wrote.");
  }
}

function notYet(zone: string): Error {
  return fault("E_DATABASE_UNAVAILABLE", `The node in zone ${zone} does not take writes yet.`);
}
