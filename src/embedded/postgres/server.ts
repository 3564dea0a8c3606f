import { join } from "node:path";
import { fault, toRowhouseError } from "../../core/error.ts";
import type { Clock } from "../../ports/clock.ts";
import type { DatabaseServerStatus } from "../../ports/databases.ts";
import type { Keys } from "../../ports/keys.ts";
import type { ProcessTable } from "../processes.ts";
import type { PostgresBinaries } from "./binaries.ts";
import { type NodeConfiguration, standbyName } from "./configuration.ts";
import { syncDataFolder } from "./copy-folder.ts";
import { buildPair, removeDataFolders } from "./creation.ts";
import { Failover } from "./failover.ts";
import { NodeMonitor } from "./monitor.ts";
import { type NodeLiveness, PostgresNode } from "./node.ts";
import { NodeKeeper } from "./node-keeper.ts";
import { StandbyRebuild } from "./rebuild.ts";
import { isHeard, type StandbyView, viewStandby } from "./replication.ts";
import { RoleKeeper } from "./role-keeper.ts";
import { ServerRecord } from "./server-record.ts";
import { removeServer, type ServerState, standbyZone } from "./server-state.ts";
import { ensureSlotSql } from "./standby.ts";
import { Synchrony } from "./synchrony.ts";

/** What all servers of one folder share. */
export interface ServerEnvironment {
  /** Holds a folder for each server. */
  readonly folder: string;
  /** Begins the processes' names. */
  readonly namePrefix: string;
  readonly host: string;
  readonly processes: ProcessTable;
  /** Folder that the process table logs into. */
  readonly logs: string;
  readonly keys: Keys;
  readonly clock: Clock;
  readonly binaries: PostgresBinaries;
  readonly log: (message: string) => void;
}

const settledPauseMilliseconds = 500;
const unsettledPauseMilliseconds = 40;
const describeTimeoutMilliseconds = 250;
const viewTimeoutMilliseconds = 1000;
const comingUpMilliseconds = 60_000;
const shutdownMilliseconds = 15_000;

/** A primary and its synchronous standby: looked after while someone calls `tick`, and else only described. */
export class PostgresServer {
  readonly #environment: ServerEnvironment;
  readonly #record: ServerRecord;
  readonly #ended = new AbortController();
  readonly #keepers: ReadonlyMap<string, NodeKeeper>;
  readonly #monitors: ReadonlyMap<string, NodeMonitor>;
  readonly #synchrony: Synchrony;
  readonly #rebuild: StandbyRebuild;
  readonly #failover: Failover;
  readonly #roles: RoleKeeper;
  #tick: Promise<void> | undefined;
  /** What a crash left of a rebuild is removed. */
  #isTidy = false;
  #view: StandbyView | undefined;
  #nextViewAt = 0;
  #primaryPid: number | undefined;
  /** When the standby last reported while it streamed, and when it was last connected at all. */
  #heardAt = 0;
  #connectedAt = 0;

  constructor(environment: ServerEnvironment, state: ServerState) {
    this.#environment = environment;
    const record = new ServerRecord(environment.folder, environment.keys, state);
    this.#record = record;
    const log = (message: string) => environment.log(`database server ${state.name}: ${message}`);
    const nodes = state.nodes.map(
      ({ zone, port }) => new PostgresNode(place(environment, record, zone, port)),
    );
    this.#keepers = new Map(nodes.map((node) => [node.place.zone, new NodeKeeper(node, log)]));
    this.#monitors = new Map(
      nodes.map(({ place: { zone, host, port } }) => [
        zone,
        new NodeMonitor({ host, port }, () => record.credentials("administrator")),
      ]),
    );
    this.#rebuild = new StandbyRebuild({ record, log, ended: this.#ended.signal });
    this.#synchrony = new Synchrony({
      record,
      log,
      ended: this.#ended.signal,
      primary: () => this.#keeper(record.state.primary).node.place,
      configurePrimary: () => this.#configurePrimary(),
    });
    this.#failover = new Failover({
      record,
      log,
      ended: this.#ended.signal,
      synchrony: this.#synchrony,
      keeper: (zone) => this.#keeper(zone),
      monitor: (zone) => this.#monitor(zone),
      configuration: (zone) => this.#configuration(zone),
    });
    this.#roles = new RoleKeeper({
      record,
      log,
      keeper: (zone) => this.#keeper(zone),
      failover: this.#failover,
    });
  }

  get isClosed(): boolean {
    return this.#ended.signal.aborted;
  }

  /** True when this object is about the server with that state, and not about an earlier one of the same name. */
  isOf(state: ServerState): boolean {
    return !this.isClosed && JSON.stringify(this.#record.state.passwords) === JSON.stringify(state.passwords);
  }

  /**
   * Makes the pair from nothing, or from what a crash left of an earlier attempt, and starts it. It counts as made
   * once it is in sync and on the disk. A failure leaves no process and no data behind.
   * @throws E_PORT_IN_USE, E_DISK_FULL, E_DATABASE_UNAVAILABLE
   */
  async make(): Promise<void> {
    try {
      await this.#abandonNodes(1000);
      await Promise.all([...this.#keepers.values()].map(({ node }) => node.clearWay()));
      await buildPair(this.#record, this.#environment.binaries);
      const folders = this.#record.state.nodes.map(({ zone }) => this.#record.dataFolder(zone));
      // The servers sync what they write from now on; this is for what was there before.
      await Promise.all([this.comeUp({ inSync: true }), ...folders.map((folder) => syncDataFolder(folder))]);
      await this.#record.change((state) => ({ ...state, phase: "ready" }));
    } catch (error) {
      await this.close();
      await this.#abandonNodes(1000);
      await removeDataFolders(this.#record.folder, "all");
      throw toRowhouseError(error);
    }
  }

  /**
   * Ticks until the primary takes writes, in sync with its standby or (unless `inSync` is asked for) knowingly
   * without it.
   * @throws E_PORT_IN_USE, E_DISK_FULL, E_DATABASE_UNAVAILABLE
   */
  async comeUp(options: { readonly inSync: boolean }): Promise<void> {
    const { clock } = this.#environment;
    const deadline = clock.elapsedMilliseconds() + comingUpMilliseconds;
    for (;;) {
      this.#nextViewAt = 0;
      await this.tick();
      if (this.#isServing(options.inSync)) return;
      const keepers = options.inSync
        ? [...this.#keepers.values()]
        : [this.#keeper(this.#record.state.primary)];
      const faults = keepers.flatMap((keeper) => keeper.fault ?? []);
      const hopeless = faults.find(({ code }) => code === "E_PORT_IN_USE" || code === "E_DISK_FULL");
      if (hopeless) throw hopeless;
      if (this.#ended.signal.aborted || clock.elapsedMilliseconds() > deadline) {
        const reason = `The database server ${this.#record.state.name} did not come up in time.`;
        throw fault("E_DATABASE_UNAVAILABLE", reason, { cause: faults[0] });
      }
      await clock.sleep(10);
    }
  }

  /** One look at both nodes and at what is between them, and what follows from it. Never waits long. */
  tick(): Promise<void> {
    this.#tick ??= this.#lookAfter().finally(() => {
      this.#tick = undefined;
    });
    return this.#tick;
  }

  /**
   * Makes the standby the primary on purpose, and resolves when it takes writes. The old one follows it from then on.
   * @throws E_STANDBY_BEHIND, E_DATABASE_UNAVAILABLE
   */
  async failOver(): Promise<void> {
    while (this.#tick) await this.#tick.catch(() => {});
    const handingOver = this.#handOver();
    this.#tick = handingOver
      .catch(() => {})
      .finally(() => {
        this.#tick = undefined;
      });
    return handingOver;
  }

  /** What is known of the server now; `state` as its file says it. Never waits long for a dead node. */
  async describe(state: ServerState): Promise<DatabaseServerStatus> {
    const look = async (zone: string) => {
      const { node } = this.#keeper(zone);
      return { host: node.place.host, port: node.place.port, zone, ...(await node.look()) };
    };
    const [primary, standby] = await Promise.all([look(state.primary), look(standbyZone(state))]);
    const isRunning = primary.status === "running" && state.phase === "ready";
    const view = isRunning
      ? await viewStandby(this.#monitor(state.primary), standby.zone, describeTimeoutMilliseconds)
      : undefined;
    const isProtected = state.inSync && standby.status === "running" && view !== undefined && isHeard(view);
    const serving = isProtected ? "available" : "degraded";
    return {
      name: state.name,
      status: state.phase !== "ready" ? state.phase : isRunning ? serving : "down",
      primary,
      standby: { ...standby, lagBytes: view?.isStreaming ? view.lagBytes : null },
    };
  }

  /** Lets go of the nodes, which run on. */
  async close(): Promise<void> {
    this.#ended.abort(
      fault("E_DATABASE_UNAVAILABLE", `Nobody looks after ${this.#record.state.name} any more.`),
    );
    for (const monitor of this.#monitors.values()) monitor.close();
    // A tick may begin the others.
    await Promise.allSettled([this.#tick]);
    await Promise.allSettled([this.#synchrony.settled(), this.#rebuild.settled()]);
    await this.#record.settled();
    for (const monitor of this.#monitors.values()) monitor.close();
  }

  /** Shuts the nodes down in order: the standby last, so that it gets all that the primary wrote. */
  async stop(): Promise<void> {
    await this.close();
    await this.#keeper(this.#record.state.primary).node.stop("SIGINT", shutdownMilliseconds);
    await this.#keeper(standbyZone(this.#record.state)).node.stop("SIGINT", shutdownMilliseconds);
  }

  /** Ends the nodes and removes all data; after a crash in between it is to be repeated. */
  async destroy(): Promise<void> {
    await this.close();
    await this.#record.change((state) => ({ ...state, phase: "deleting" }));
    await this.#abandonNodes(2000);
    await removeServer(this.#environment.folder, this.#record.state.name);
  }

  async #lookAfter(): Promise<void> {
    if (this.#ended.signal.aborted) return;
    if (!this.#isTidy) await removeDataFolders(this.#record.folder, "unfinished");
    this.#isTidy = true;
    const seen = await this.#lookAtBoth();
    if (this.#record.state.phase === "ready" && (await this.#roles.settle(seen))) {
      this.#forgetSights();
      return;
    }
    const { state } = this.#record;
    const zone = standbyZone(state);
    const [primary, standby] = await Promise.all([
      this.#keep(state.primary, seen.primary),
      // One that has diverged is replaced and not started.
      seen.isRebuilding || state.diverged === zone ? seen.standby : this.#keep(zone, seen.standby),
    ]);
    if (primary.status !== "running" || primary.pid === undefined) return;
    const now = this.#environment.clock.elapsedMilliseconds();
    if (primary.pid !== this.#primaryPid || this.#rebuild.isRunning) this.#connectedAt = now;
    if (primary.pid !== this.#primaryPid) this.#heardAt = now;
    this.#primaryPid = primary.pid;
    if (!this.#roles.feel(now)) return;
    if (now < this.#nextViewAt && standby.status === "running") return;
    const view = await this.#look(zone, now);
    if (!view || this.#ended.signal.aborted) return;
    await this.#synchrony.advance(view, now - this.#heardAt);
    this.#rebuild.beginIfLost({
      primary: this.#keeper(state.primary).node.place,
      standby: this.#keeper(zone),
      liveness: standby,
      disconnectedMilliseconds: now - this.#connectedAt,
      release: () => this.#synchrony.release(),
    });
  }

  async #lookAtBoth(): Promise<Parameters<RoleKeeper["settle"]>[0]> {
    const { state } = this.#record;
    const [primary, standby] = await Promise.all([
      this.#keeper(state.primary).node.look(),
      this.#keeper(standbyZone(state)).node.look(),
    ]);
    const { isRunning: isRebuilding } = this.#rebuild;
    // What runs there is neither what was nor what will be.
    return { primary, standby: isRebuilding ? { status: "down" } : standby, isRebuilding };
  }

  #forgetSights(): void {
    this.#view = undefined;
    this.#nextViewAt = 0;
    this.#primaryPid = undefined;
  }

  async #handOver(): Promise<void> {
    const { primary, standby } = await this.#lookAtBoth();
    const { name, inSync } = this.#record.state;
    if (!inSync || standby.status !== "running") throw fault("E_STANDBY_BEHIND");
    if (primary.status !== "running")
      throw fault("E_DATABASE_UNAVAILABLE", `The primary of ${name} is ${primary.status}.`);
    const view = await this.#look(
      standbyZone(this.#record.state),
      this.#environment.clock.elapsedMilliseconds(),
    );
    if (!view || !isHeard(view) || !view.isSynchronous) throw fault("E_STANDBY_BEHIND");
    try {
      await this.#failover.handOver();
    } finally {
      this.#forgetSights();
    }
  }

  /** Asks the primary of the standby, and remembers what it says. */
  async #look(zone: string, now: number): Promise<StandbyView | undefined> {
    const monitor = this.#monitor(this.#record.state.primary);
    const view = await viewStandby(monitor, zone, viewTimeoutMilliseconds);
    this.#view = view;
    // While the primary itself gives no answer (it recovers from the crash of a backend), the standby has no fault.
    if (!view || view.isConnected) this.#connectedAt = now;
    if (!view) this.#heardAt = now;
    else if (view.isStreaming) this.#heardAt = Math.max(this.#heardAt, now - view.silentMilliseconds);
    if (view && !view.hasSlot && !this.#rebuild.isRunning) {
      await monitor.query(ensureSlotSql, [standbyName(zone)], viewTimeoutMilliseconds);
    }
    const isSettled = this.#record.state.inSync && view !== undefined && isHeard(view);
    this.#nextViewAt = now + (isSettled ? settledPauseMilliseconds : unsettledPauseMilliseconds);
    return view;
  }

  #isServing(inSync: boolean): boolean {
    if (this.#keeper(this.#record.state.primary).fault || !this.#view) return false;
    const isProtected = this.#record.state.inSync && isHeard(this.#view) && this.#view.isSynchronous;
    return isProtected || (!inSync && !this.#synchrony.isWaitedFor);
  }

  async #keep(zone: string, seen: NodeLiveness): Promise<NodeLiveness> {
    return this.#keeper(zone).keep(await this.#configuration(zone), seen);
  }

  async #configurePrimary(): Promise<void> {
    const { primary } = this.#record.state;
    await this.#keeper(primary).node.configure(await this.#configuration(primary));
  }

  async #configuration(zone: string): Promise<NodeConfiguration> {
    const { host, namePrefix } = this.#environment;
    const { state } = this.#record;
    const { port } = this.#keeper(zone).node.place;
    const common = { title: `${namePrefix}/${state.name}/${zone}`, size: state.size, host, port };
    if (zone === state.primary) {
      const waitsFor = this.#synchrony.isWaitedFor ? standbyZone(state) : null;
      return { ...common, role: { kind: "primary", waitsFor } };
    }
    const { password } = await this.#record.credentials("replication");
    const upstream = { host, port: this.#keeper(state.primary).node.place.port, password };
    return { ...common, role: { kind: "standby", name: standbyName(zone), upstream } };
  }

  async #abandonNodes(graceMilliseconds: number): Promise<void> {
    await Promise.all([...this.#keepers.values()].map(({ node }) => node.stop("SIGQUIT", graceMilliseconds)));
  }

  #keeper(zone: string): NodeKeeper {
    return this.#keepers.get(zone) ?? noSuchNode(zone);
  }

  #monitor(zone: string): NodeMonitor {
    return this.#monitors.get(zone) ?? noSuchNode(zone);
  }
}

function place(
  environment: ServerEnvironment,
  record: ServerRecord,
  zone: string,
  port: number,
): PostgresNode["place"] {
  const { namePrefix, host, processes, binaries, clock, logs } = environment;
  const { name } = record.state;
  const processName = `${namePrefix}.postgres.${name}.${zone}`;
  return {
    processName,
    labels: { server: name, zone },
    zone,
    host,
    port,
    dataFolder: record.dataFolder(zone),
    logFile: join(logs, `${processName}.log`),
    processes,
    binaries,
    clock,
  };
}

function noSuchNode(zone: string): never {
  throw new TypeError(`The server has no node in zone ${zone}`);
}
