import { existsSync } from "node:fs";
import { mkdir, rename } from "node:fs/promises";
import { join } from "node:path";
import { toRowhouseError } from "../../core/error.ts";
import type { Clock } from "../../ports/clock.ts";
import type { DatabaseCredentials } from "../../ports/databases.ts";
import type { Keys } from "../../ports/keys.ts";
import type { ReplicaStatus } from "../../ports/replicas.ts";
import type { PostgresBinaries } from "../postgres/binaries.ts";
import type { NodeConfiguration } from "../postgres/configuration.ts";
import { removeDataFolders, unfinishedFolder } from "../postgres/creation.ts";
import { NodeMonitor } from "../postgres/monitor.ts";
import { PostgresNode } from "../postgres/node.ts";
import { NodeKeeper } from "../postgres/node-keeper.ts";
import { administratorRole, type ServerState } from "../postgres/server-state.ts";
import { buildStandby } from "../postgres/standby.ts";
import type { ProcessTable } from "../processes.ts";
import { type ReplicaState, replicaContext, replicaFolder, writeReplica } from "./replica-state.ts";
import { primaryPort, type SourceServer } from "./source-server.ts";

/** What all replicas of one region share. */
export interface ReplicaEnvironment {
  /** Holds a folder for each source, and in it one for each of its servers. */
  readonly folder: string;
  /** The region that keeps them. */
  readonly region: string;
  readonly processes: ProcessTable;
  readonly logs: string;
  /** Of that region. */
  readonly keys: Keys;
  readonly clock: Clock;
  readonly binaries: PostgresBinaries;
  readonly log: (message: string) => void;
}

const host = "127.0.0.1";
/**
 * A replica that replays nothing for so long, while its primary commits, is given up: the log that it needs is gone, or
 * it went ahead of what its source came to be when a standby took over. (A connection tells nothing: after that it
 * connects again and again, and counts as one that catches up.)
 */
const patienceMilliseconds = 15_000;
const beatMilliseconds = 1000;
const answerMilliseconds = 1000;
const promotionSeconds = 60;
const shutdownMilliseconds = 15_000;

/** A replica's `application_name` at its source, and its slot there. */
export function replicaSlot(region: string): string {
  return `recovery_${region.replaceAll("-", "_")}`;
}

/** One asynchronous standby: a Postgres process with a data folder of its own. */
export class Replica {
  readonly #environment: ReplicaEnvironment;
  readonly #node: PostgresNode;
  readonly #keeper: NodeKeeper;
  #state: ReplicaState;
  #monitor: NodeMonitor | undefined;
  #replayed: string | undefined;
  #advancedAt: number;
  #nextLookAt = 0;

  constructor(environment: ReplicaEnvironment, state: ReplicaState) {
    this.#environment = environment;
    this.#state = state;
    const { region, processes, binaries, clock, logs } = environment;
    const processName = `${region}.replica.${state.source}.${state.server}`;
    this.#node = new PostgresNode({
      processName,
      labels: { region, source: state.source, server: state.server },
      zone: region,
      host,
      port: state.ports[0],
      dataFolder: join(this.folder, "data"),
      logFile: join(logs, `${processName}.log`),
      processes,
      binaries,
      clock,
    });
    this.#keeper = new NodeKeeper(this.#node, (message) => environment.log(message));
    this.#advancedAt = clock.elapsedMilliseconds();
  }

  get state(): ReplicaState {
    return this.#state;
  }

  get folder(): string {
    return replicaFolder(this.#environment.folder, this.#state);
  }

  get dataFolder(): string {
    return this.#node.place.dataFolder;
  }

  /**
   * Makes the copy anew and starts it. An earlier one stays as it is until the new one is whole.
   * @throws E_DISK_FULL, E_DATABASE_UNAVAILABLE, E_PORT_IN_USE
   */
  async make(source: SourceServer, signal: AbortSignal): Promise<void> {
    const { binaries, clock, region } = this.#environment;
    await mkdir(this.folder, { recursive: true, mode: 0o700 });
    await removeDataFolders(this.folder, this.#state.phase === "creating" ? "all" : "unfinished");
    const server = await source.state();
    const copy = unfinishedFolder(this.folder);
    try {
      await buildStandby({
        primary: {
          endpoint: { nodes: [{ host, port: primaryPort(server) }] },
          credentials: await source.credentials(server, "administrator"),
          dataFolder: source.dataFolder(server),
        },
        name: replicaSlot(region),
        into: copy,
        user: binaries.user,
        clock,
        signal,
      });
      await this.end();
      if (existsSync(this.dataFolder)) await rename(this.dataFolder, unfinishedFolder(this.folder));
      await rename(copy, this.dataFolder);
      await this.change("following");
    } finally {
      await removeDataFolders(this.folder, "unfinished");
    }
    this.#advancedAt = clock.elapsedMilliseconds();
    await this.#keeper.keep(await this.#configuration(server));
  }

  /** Keeps the process running and at its source's current primary, and notices when it can follow no more. */
  async tick(source: SourceServer): Promise<void> {
    const { phase } = this.#state;
    if (phase !== "following" && phase !== "broken") return;
    const server = await source.state().catch(() => undefined);
    if (!server) return;
    await this.#keeper.keep(await this.#configuration(server));
    const now = this.#environment.clock.elapsedMilliseconds();
    if (now < this.#nextLookAt) return;
    this.#nextLookAt = now + beatMilliseconds;
    await source.beat(server);
    const view = await source.look(server);
    const hasAdvanced = await this.#hasAdvanced();
    // While the primary itself gives no answer, the replica has no fault.
    if (!view || hasAdvanced) this.#advancedAt = now;
    const isLost = view?.hasLostLog === true && !view.isConnected;
    if (isLost || now - this.#advancedAt > patienceMilliseconds) await this.change("broken");
    else if (view && hasAdvanced && phase === "broken") await this.change("following");
  }

  /** It replayed something since it was last asked. */
  async #hasAdvanced(): Promise<boolean> {
    const rows = await this.#query<{ replayed: string | null }>(
      "SELECT pg_last_wal_replay_lsn()::text AS replayed",
      [],
      answerMilliseconds,
    );
    const replayed = rows?.[0]?.replayed ?? undefined;
    const before = this.#replayed;
    this.#replayed = replayed ?? before;
    return replayed !== undefined && before !== undefined && replayed !== before;
  }

  async status(): Promise<ReplicaStatus> {
    const { source, server, phase } = this.#state;
    const status = phase === "promoting" ? "following" : phase;
    return { source, server, status, lagSeconds: phase === "creating" ? null : await this.#lagSeconds() };
  }

  /** Makes the copy take writes, on a history of its own. Safe to repeat. @throws E_DATABASE_UNAVAILABLE */
  async promote(): Promise<void> {
    const { clock } = this.#environment;
    const deadline = clock.elapsedMilliseconds() + promotionSeconds * 1000;
    for (;;) {
      if ((await this.#node.look()).status === "down") await this.#startAlone();
      const rows = await this.#query<{ done: boolean }>(
        "SELECT CASE WHEN pg_is_in_recovery() THEN pg_promote(true, $1) ELSE true END AS done",
        [promotionSeconds],
        promotionSeconds * 1000,
      );
      if (rows?.[0]?.done) return;
      if (clock.elapsedMilliseconds() > deadline) throw await this.#node.lastWords();
      await clock.sleep(20);
    }
  }

  /** Shuts the process down in order; its data stays. */
  async end(): Promise<void> {
    this.close();
    await this.#node.stop("SIGINT", shutdownMilliseconds);
  }

  /** Lets go of the process, which runs on. */
  close(): void {
    this.#monitor?.close();
    this.#monitor = undefined;
  }

  /** Writes down how it is with the replica. */
  async change(phase: ReplicaState["phase"]): Promise<void> {
    if (this.#state.phase === phase) return;
    if (phase === "broken") this.#environment.log(`the replica of ${this.#name} follows no more`);
    const changed = { ...this.#state, phase };
    await writeReplica(this.#environment.folder, changed);
    this.#state = changed;
  }

  /** @throws E_DECRYPT */
  async password(who: keyof ReplicaState["passwords"]): Promise<string> {
    return this.#environment.keys.decrypt(this.#state.passwords[who], replicaContext(this.#state, who));
  }

  get #name(): string {
    return `${this.#state.source}'s ${this.#state.server}`;
  }

  /** Its source may be gone: it starts on what it has. */
  async #startAlone(): Promise<void> {
    try {
      await this.#node.start(await this.#configuration(undefined));
    } catch (error) {
      throw toRowhouseError(error);
    }
  }

  async #lagSeconds(): Promise<number | null> {
    const rows = await this.#query<{ lag: number | null }>(
      `SELECT greatest(extract(epoch FROM clock_timestamp() - pg_last_xact_replay_timestamp()), 0)::float8 AS lag`,
      [],
      answerMilliseconds,
    );
    return rows?.[0]?.lag ?? null;
  }

  #query<Row extends Record<string, unknown>>(
    sql: string,
    parameters: readonly unknown[],
    timeoutMilliseconds: number,
  ): Promise<Row[] | undefined> {
    this.#monitor ??= new NodeMonitor({ host, port: this.#state.ports[0] }, () => this.#administrator());
    return this.#monitor.query<Row>(sql, parameters, timeoutMilliseconds);
  }

  async #administrator(): Promise<DatabaseCredentials> {
    return { user: administratorRole, password: await this.password("administrator") };
  }

  /** It waits for nobody, and keeps little in memory. */
  async #configuration(source: ServerState | undefined): Promise<NodeConfiguration> {
    const { region } = this.#environment;
    // Without a source there is nobody at its own port to follow.
    const port = source ? primaryPort(source) : this.#state.ports[1];
    return {
      title: `${region}/replica of ${this.#name}`,
      size: "dedicated",
      host,
      port: this.#state.ports[0],
      role: {
        kind: "standby",
        name: replicaSlot(region),
        upstream: { host, port, password: await this.password("replication") },
      },
    };
  }
}
