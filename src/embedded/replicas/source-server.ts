import { join } from "node:path";
import { fault } from "../../core/error.ts";
import type { DatabaseCredentials } from "../../ports/databases.ts";
import type { Keys } from "../../ports/keys.ts";
import { NodeMonitor } from "../postgres/monitor.ts";
import { readCredentials, readServer, type ServerState } from "../postgres/server-state.ts";
import { ensureSlotSql } from "../postgres/standby.ts";

/** Where a source's servers are on this machine. */
export interface SourceRegion {
  /** Of its servers. */
  readonly folder: string;
  readonly keys: Keys;
}

interface FollowerView {
  /** There is a connection from the replica, be it still catching up. */
  readonly isConnected: boolean;
  /** Its slot can't give it any more what it needs. */
  readonly hasLostLog: boolean;
}

const viewTimeoutMilliseconds = 1000;

const viewSql = `
  SELECT EXISTS (SELECT FROM pg_stat_replication WHERE application_name = $1) AS "isConnected",
    EXISTS (SELECT FROM pg_replication_slots WHERE slot_name = $1 AND wal_status = 'lost') AS "hasLostLog"`;

/** A server of the source as its replica's keeper sees it: its current primary, whichever node that is. */
export class SourceServer {
  readonly #region: SourceRegion;
  readonly #name: string;
  readonly #slot: string;
  #monitor: { readonly port: number; readonly monitor: NodeMonitor } | undefined;

  constructor(parts: { readonly region: SourceRegion; readonly name: string; readonly slot: string }) {
    this.#region = parts.region;
    this.#name = parts.name;
    this.#slot = parts.slot;
  }

  /** @throws E_NOT_FOUND when there is none that is whole */
  async state(): Promise<ServerState> {
    const state = await readServer(this.#region.folder, this.#name);
    if (state?.phase !== "ready") throw fault("E_NOT_FOUND", `There is no database server "${this.#name}".`);
    return state;
  }

  dataFolder(state: ServerState): string {
    return join(this.#region.folder, state.name, state.primary);
  }

  credentials(state: ServerState, who: keyof ServerState["passwords"]): Promise<DatabaseCredentials> {
    return readCredentials(state, this.#region.keys, who);
  }

  /**
   * Makes sure of the replica's slot on the primary (a new primary has none), and asks it of the replica; `undefined`
   * when it gives no answer in time.
   */
  async look(state: ServerState): Promise<FollowerView | undefined> {
    const monitor = this.#monitorOf(state);
    if (!(await monitor.query(ensureSlotSql, [this.#slot], viewTimeoutMilliseconds))) return undefined;
    const rows = await monitor.query<FollowerView & Record<string, unknown>>(
      viewSql,
      [this.#slot],
      viewTimeoutMilliseconds,
    );
    return rows?.[0];
  }

  /** Commits nothing, which tells the replica how late it is at its source: it knows no time but that of a commit. */
  async beat(state: ServerState): Promise<void> {
    await this.#monitorOf(state).query("SELECT pg_current_xact_id()", [], viewTimeoutMilliseconds);
  }

  /** Lets the primary keep nothing for the replica any more. Does what it can: a dead one keeps nothing anyway. */
  async dropSlot(): Promise<void> {
    const state = await readServer(this.#region.folder, this.#name);
    if (state?.phase !== "ready") return;
    const monitor = this.#monitorOf(state);
    await monitor.query(
      "SELECT pg_terminate_backend(active_pid, 2000) FROM pg_replication_slots WHERE slot_name = $1 AND active",
      [this.#slot],
      3000,
    );
    await monitor.query(
      "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE slot_name = $1 AND NOT active",
      [this.#slot],
      viewTimeoutMilliseconds,
    );
  }

  close(): void {
    this.#monitor?.monitor.close();
    this.#monitor = undefined;
  }

  #monitorOf(state: ServerState): NodeMonitor {
    const port = primaryPort(state);
    if (this.#monitor?.port === port) return this.#monitor.monitor;
    this.close();
    const monitor = new NodeMonitor({ host: "127.0.0.1", port }, () =>
      this.credentials(state, "administrator"),
    );
    this.#monitor = { port, monitor };
    return monitor;
  }
}

/** The port of the node that takes writes. */
export function primaryPort(state: ServerState): number {
  return (state.nodes.find(({ zone }) => zone === state.primary) ?? state.nodes[0]).port;
}
