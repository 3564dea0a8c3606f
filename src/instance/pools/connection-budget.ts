import { AsyncLocalStorage } from "node:async_hooks";
import { fault, type RowhouseError } from "../../core/error.ts";
import type { Clock } from "../../ports/clock.ts";
import type { PooledConnection } from "./connection.ts";
import {
  ConnectionOpener,
  type ConnectionOpenerOptions,
  isServerDown,
  isServerFull,
} from "./connection-opener.ts";
import type { ConnectionStatistics } from "./connection-statistics.ts";
import { isWorthEvicting, starvingMilliseconds } from "./eviction.ts";
import { connectionAllowance, Demand } from "./fairness.ts";
import type { LeaseTarget, Login } from "./login.ts";
import { LoginConnections, type Waiter } from "./login-connections.ts";

export interface ConnectionBudgetOptions extends Omit<ConnectionOpenerOptions, "atOncePerServer"> {
  /** Connections that may be open at once, over all servers, databases and tenants. */
  readonly connections: number;
  /** Default 5000. */
  readonly waitTimeoutMilliseconds?: number;
  /** Unused connections are closed after so long; default 300,000. */
  readonly idleTimeoutMilliseconds?: number;
}

/** How often waiters are looked at for the end of their patience. */
const tickMilliseconds = 5;
const shortestPatienceMilliseconds = 2;
const longestPatienceMilliseconds = 50;
/** A connection works for so many times the cost of opening one before a starving waiter takes it away from its login. */
const worthOfOpening = 5;
/** How far down the idle ones a better victim is looked for. */
const victimsLookedAt = 100;

/** Connections are opened, and waiters watched, in nobody's context: what a request starts must not carry its tenant. */
const outsideOfRequests = AsyncLocalStorage.snapshot();

/**
 * One budget of connections over all tenants and servers. A lease takes an idle connection of its login, or opens
 * one where the budget allows, or closes the idle one that was unused longest, or waits; what is in use is never
 * taken away.
 *
 * Whoever finds all connections of its own login in use waits for about as long as opening another one takes, and
 * only then asks for it: waiting as long as buying costs is never more than twice as dear as the best choice in
 * hindsight, and keeps connections for tenants that have none.
 * Source: A. Karlin et al., "Competitive randomized algorithms for nonuniform problems", 1990 (ski rental).
 */
export class ConnectionBudget {
  readonly #connections: number;
  readonly #clock: Clock;
  readonly #opener: ConnectionOpener;
  readonly #waitTimeoutMilliseconds: number;
  readonly #logins = new Map<string, LoginConnections>();
  /** All idle connections, longest unused first. */
  readonly #idle = new Set<PooledConnection>();
  /** All waiters, first come first. */
  readonly #waiters = new Set<Waiter>();
  readonly demand = new Demand();
  readonly #stop = new AbortController();
  /** Open, being opened, or being closed. */
  #taken = 0;
  #evicted = 0;
  #watching = false;

  constructor(options: ConnectionBudgetOptions) {
    this.#connections = options.connections;
    this.#clock = options.clock;
    this.#opener = new ConnectionOpener({
      ...options,
      atOncePerServer: Math.max(2, Math.floor(options.connections / 4)),
    });
    this.#waitTimeoutMilliseconds = options.waitTimeoutMilliseconds ?? 5_000;
    outsideOfRequests(() => void this.#closeUnused(options.idleTimeoutMilliseconds ?? 300_000));
  }

  /**
   * A connection for the target's use alone, until {@link release}. It is given at once where that is possible.
   * @throws E_DATABASE_BUSY when none came free in time; E_DATABASE_UNAVAILABLE; a refused login as Postgres says it
   */
  lease(target: LeaseTarget): PooledConnection | Promise<PooledConnection> {
    if (this.#stop.signal.aborted) throw closedFault();
    const connections = this.#connectionsOf(target.login);
    const idle = this.#mayHold(target.tenant) ? connections.peekIdle(target) : undefined;
    if (!idle) return this.#wait(connections, target);
    this.#unpark(connections, idle);
    this.#take(connections, idle, target);
    return idle;
  }

  /** Gives a connection back. A broken one is closed, and its place goes to whoever waits. */
  release(connection: PooledConnection, target: LeaseTarget): void {
    const connections = this.#connectionsOf(connection.login);
    connections.inUse.delete(connection);
    connections.releasedAtMilliseconds = this.#clock.elapsedMilliseconds();
    this.demand.changeHeld(target.tenant, -1);
    this.#offer(connections, connection);
  }

  /** Connections of this login are used no more: idle ones close now, others when they come back. */
  drop(login: Login): void {
    const connections = this.#logins.get(login.key);
    if (!connections) return;
    for (const connection of connections.inUse) connection.broken = true;
    this.distrust(login);
  }

  /** One connection of this login turned out dead: its idle ones may be too, and are closed. */
  distrust(login: Login): void {
    const connections = this.#logins.get(login.key);
    for (const connection of [...(connections?.idle() ?? [])])
      void this.#evict(connection, this.#connectionsOf(login));
  }

  statistics(): ConnectionStatistics {
    let inUse = 0;
    for (const connections of this.#logins.values()) inUse += connections.inUse.size;
    return {
      budget: this.#connections,
      open: this.#taken,
      inUse,
      idle: this.#idle.size,
      waiting: this.#waiters.size,
      opened: this.#opener.opened,
      evicted: this.#evicted,
    };
  }

  /** Closes what is idle, refuses who waits; a connection in use closes when it comes back. */
  async end(): Promise<void> {
    this.#stop.abort();
    for (const waiter of this.#waiters) this.#settle(waiter, () => waiter.reject(closedFault()));
    const closing = [...this.#idle].map((connection) => connection.close());
    this.#idle.clear();
    await Promise.all(closing);
  }

  #connectionsOf(login: Login): LoginConnections {
    let connections = this.#logins.get(login.key);
    if (!connections) {
      connections = new LoginConnections(login);
      this.#logins.set(login.key, connections);
    }
    return connections;
  }

  #mayHold(tenant: string): boolean {
    const othersWait = this.demand.othersWait(tenant);
    const tenants = othersWait ? this.demand.tenants : 1;
    return this.demand.held(tenant) < connectionAllowance(this.#connections, { tenants, othersWait });
  }

  #take(connections: LoginConnections, connection: PooledConnection, target: LeaseTarget): void {
    connections.inUse.add(connection);
    this.demand.changeHeld(target.tenant, 1);
  }

  #wait(connections: LoginConnections, target: LeaseTarget): Promise<PooledConnection> {
    const now = this.#clock.elapsedMilliseconds();
    const hasNone = connections.inUse.size + connections.opening === 0;
    if (hasNone && this.#opener.isDown(target.login.server)) {
      this.#forgetUnused(connections);
      throw fault("E_DATABASE_UNAVAILABLE");
    }
    return new Promise((resolve, reject) => {
      const waiter: Waiter = {
        target,
        sinceMilliseconds: now,
        eager: hasNone,
        resolve,
        reject,
      };
      connections.waiters.add(waiter);
      this.#waiters.add(waiter);
      this.demand.changeWaiting(target.tenant, 1);
      if (waiter.eager) this.#grow(connections, waiter);
      this.#watch();
    });
  }

  #settle(waiter: Waiter, settle: () => void): void {
    this.#waiters.delete(waiter);
    this.#logins.get(waiter.target.login.key)?.waiters.delete(waiter);
    this.demand.changeWaiting(waiter.target.tenant, -1);
    settle();
  }

  /** Opens connections for eager waiters, first come first, as far as the budget goes. */
  #growAll(): void {
    if (this.#stop.signal.aborted) return;
    for (const waiter of this.#waiters) {
      if (this.#taken >= this.#connections && this.#idle.size === 0) return;
      if (!waiter.eager) continue;
      const connections = this.#logins.get(waiter.target.login.key);
      if (connections) this.#grow(connections, waiter);
    }
  }

  #grow(connections: LoginConnections, waiter: Waiter): void {
    if (connections.wanted <= 0 || !this.#mayHold(waiter.target.tenant)) return;
    // One more at a time: the first that comes may be enough for all who wait.
    if (connections.opening > 0 || !this.#opener.mayOpen(connections.login.server)) return;
    let evicted: Promise<void> | undefined;
    if (this.#taken >= this.#connections) {
      const victim = this.#chooseVictim(connections, waiter);
      if (!victim) return;
      evicted = this.#evict(victim, this.#connectionsOf(victim.login));
      this.#evicted++;
    }
    this.#taken++;
    outsideOfRequests(() => void this.#open(connections, waiter.target.tenant, evicted));
  }

  /** The connection to close for a waiter, if that is worth it. */
  #chooseVictim(connections: LoginConnections, waiter: Waiter): PooledConnection | undefined {
    const [oldest] = this.#idle;
    if (!oldest) return undefined;
    const now = this.#clock.elapsedMilliseconds();
    const need = {
      oldestUnused: now - oldest.idleSinceMilliseconds,
      hasSome: connections.inUse.size > 0,
      sinceRelease: now - connections.releasedAtMilliseconds,
      waited: now - waiter.sinceMilliseconds,
    };
    if (!isWorthEvicting(need)) return undefined;
    // A tenant's only connection is dearer than another's second, even if it was used less lately.
    let looked = 0;
    for (const candidate of this.#idle) {
      if ((this.#logins.get(candidate.login.key)?.openCount ?? 0) > 1) return candidate;
      if (++looked >= victimsLookedAt) break;
    }
    return oldest;
  }

  async #open(
    connections: LoginConnections,
    tenant: string,
    evicted: Promise<void> | undefined,
  ): Promise<void> {
    connections.opening++;
    this.demand.changeHeld(tenant, 1);
    let outcome: { connection: PooledConnection } | { error: unknown };
    try {
      outcome = { connection: await this.#opener.open(connections.login, evicted) };
    } catch (error) {
      outcome = { error };
    }
    connections.opening--;
    this.demand.changeHeld(tenant, -1);
    if ("connection" in outcome) {
      const { connection } = outcome;
      connection.onLoss(() => this.#lost(connection));
      this.#offer(connections, connection);
    } else {
      this.#openingFailed(connections, outcome.error);
    }
    this.#growAll();
  }

  /** Tells everyone who can't be helped any more; a tenant with connections of its own may still get one of them. */
  #openingFailed(connections: LoginConnections, error: unknown): void {
    this.#taken--;
    const isDown = isServerDown(error);
    for (const waiter of [...this.#waiters]) {
      const { login } = waiter.target;
      const concerned = isDown
        ? login.server === connections.login.server
        : login.key === connections.login.key;
      if (concerned && (this.#logins.get(login.key)?.inUse.size ?? 0) === 0) {
        this.#settle(waiter, () =>
          waiter.reject(isServerFull(error) ? fault("E_DATABASE_BUSY", undefined, { cause: error }) : error),
        );
      }
    }
    this.#forgetUnused(connections);
  }

  /** Hands a free connection to whoever is next, or keeps it. */
  #offer(connections: LoginConnections, connection: PooledConnection): void {
    const now = this.#clock.elapsedMilliseconds();
    if (connection.broken || connection.expiresAtMilliseconds <= now || this.#stop.signal.aborted) {
      this.#closeAndFree(connections, connection);
      return;
    }
    this.#park(connections, connection, now);
    if (this.#waiters.size === 0) return;
    const hasPaid = now - connection.openedAtMilliseconds >= worthOfOpening * this.#opener.meanMilliseconds;
    if (hasPaid && this.#someoneStarves(connections, now)) this.#growAll();
    if (!this.#idle.has(connection)) return;
    const waiter = connections.nextWaiter(connection, now, (candidate) =>
      this.#mayHold(candidate.target.tenant),
    );
    if (!waiter) {
      this.#growAll();
      return;
    }
    this.#unpark(connections, connection);
    this.#take(connections, connection, waiter.target);
    this.#settle(waiter, () => waiter.resolve(connection));
  }

  #someoneStarves(except: LoginConnections, nowMilliseconds: number): boolean {
    for (const waiter of this.#waiters) {
      if (nowMilliseconds - waiter.sinceMilliseconds < starvingMilliseconds) return false;
      if (waiter.eager && waiter.target.login.key !== except.login.key) return true;
    }
    return false;
  }

  #park(connections: LoginConnections, connection: PooledConnection, nowMilliseconds: number): void {
    connection.idleSinceMilliseconds = nowMilliseconds;
    connections.addIdle(connection);
    this.#idle.add(connection);
  }

  #unpark(connections: LoginConnections, connection: PooledConnection): void {
    connections.removeIdle(connection);
    this.#idle.delete(connection);
  }

  /** Closes an idle connection; its place is free at once for the caller, and the promise tells when it is gone. */
  #evict(connection: PooledConnection, connections: LoginConnections): Promise<void> {
    this.#unpark(connections, connection);
    this.#taken--;
    this.#forgetUnused(connections);
    return connection.close();
  }

  #closeAndFree(connections: LoginConnections, connection: PooledConnection): void {
    outsideOfRequests(() => {
      void connection.close().then(() => {
        this.#taken--;
        this.#forgetUnused(connections);
        this.#growAll();
      });
    });
  }

  /** An idle connection's server went away. */
  #lost(connection: PooledConnection): void {
    connection.broken = true;
    if (!this.#idle.has(connection)) return;
    const connections = this.#connectionsOf(connection.login);
    this.#unpark(connections, connection);
    this.#closeAndFree(connections, connection);
  }

  #forgetUnused(connections: LoginConnections): void {
    const { key } = connections.login;
    if (connections.isUnused && this.#logins.get(key) === connections) this.#logins.delete(key);
  }

  #watch(): void {
    if (this.#watching) return;
    this.#watching = true;
    outsideOfRequests(async () => {
      while (this.#waiters.size > 0) {
        await this.#clock.sleep(tickMilliseconds);
        this.#lookAtWaiters();
      }
      this.#watching = false;
    });
  }

  #lookAtWaiters(): void {
    const now = this.#clock.elapsedMilliseconds();
    const patience = Math.min(
      longestPatienceMilliseconds,
      Math.max(shortestPatienceMilliseconds, this.#opener.meanMilliseconds),
    );
    for (const waiter of [...this.#waiters]) {
      const age = now - waiter.sinceMilliseconds;
      if (age < patience) break;
      if (age >= this.#waitTimeoutMilliseconds)
        this.#settle(waiter, () => waiter.reject(fault("E_DATABASE_BUSY")));
      else waiter.eager = true;
    }
    this.#growAll();
  }

  async #closeUnused(idleTimeoutMilliseconds: number): Promise<void> {
    const { signal } = this.#stop;
    try {
      for (;;) {
        await this.#clock.sleep(idleTimeoutMilliseconds / 4, signal);
        const before = this.#clock.elapsedMilliseconds() - idleTimeoutMilliseconds;
        for (const connection of [...this.#idle]) {
          if (connection.idleSinceMilliseconds > before) break;
          void this.#evict(connection, this.#connectionsOf(connection.login));
        }
      }
    } catch (error) {
      if (!signal.aborted) throw error;
    }
  }
}

function closedFault(): RowhouseError {
  return fault("E_DATABASE_UNAVAILABLE", "The instance is stopping.");
}
