import type { PooledConnection } from "./connection.ts";
import type { LeaseTarget, Login } from "./login.ts";

/** Someone who wants a connection and can't have one yet. */
export interface Waiter {
  readonly target: LeaseTarget;
  readonly sinceMilliseconds: number;
  /** A new connection may be opened for it; before that it hopes for one that is in use. */
  eager: boolean;
  resolve(connection: PooledConnection): void;
  reject(error: unknown): void;
}

/** How far a waiter may be passed by another whose session the free connection has already. */
const affinityWindow = 8;
const affinityPatienceMilliseconds = 50;

/** All connections of one login, and who waits for them. */
export class LoginConnections {
  readonly login: Login;
  readonly inUse = new Set<PooledConnection>();
  /** First come first. */
  readonly waiters = new Set<Waiter>();
  opening = 0;
  /** When one last came back from use. */
  releasedAtMilliseconds = 0;
  /** Longest unused first. */
  readonly #idle = new Set<PooledConnection>();
  /** The same by session, for a shared login: the most recently used is taken first. */
  readonly #idleByRole = new Map<string, PooledConnection[]>();

  constructor(login: Login) {
    this.login = login;
  }

  get openCount(): number {
    return this.#idle.size + this.inUse.size;
  }

  get isUnused(): boolean {
    return this.#idle.size + this.inUse.size + this.opening + this.waiters.size === 0;
  }

  /** Waiters for whom a connection may be opened, less those that are being opened. */
  get wanted(): number {
    let eager = 0;
    for (const waiter of this.waiters) if (waiter.eager) eager++;
    return eager - this.opening;
  }

  idle(): Iterable<PooledConnection> {
    return this.#idle;
  }

  addIdle(connection: PooledConnection): void {
    this.#idle.add(connection);
    const stack = this.#idleByRole.get(connection.sessionRole ?? "");
    if (stack) stack.push(connection);
    else this.#idleByRole.set(connection.sessionRole ?? "", [connection]);
  }

  removeIdle(connection: PooledConnection): void {
    if (!this.#idle.delete(connection)) return;
    const role = connection.sessionRole ?? "";
    const stack = this.#idleByRole.get(role);
    if (!stack) return;
    const index = stack.lastIndexOf(connection);
    if (index >= 0) stack.splice(index, 1);
    if (stack.length === 0) this.#idleByRole.delete(role);
  }

  /**
   * The best idle connection: one that has the target's session, else the one longest unused, so that those of
   * busy tenants keep theirs. (A login of a tenant's own has one stack, and takes from its top.)
   */
  peekIdle(target: LeaseTarget): PooledConnection | undefined {
    const same = this.#idleByRole.get(target.session?.role ?? "")?.at(-1);
    return same ?? this.#idle.values().next().value;
  }

  /** Who gets this connection next: first come first, but near the front whoever's session it has already. */
  nextWaiter(
    connection: PooledConnection,
    nowMilliseconds: number,
    mayTake: (waiter: Waiter) => boolean,
  ): Waiter | undefined {
    let first: Waiter | undefined;
    let seen = 0;
    for (const waiter of this.waiters) {
      if (!mayTake(waiter)) continue;
      first ??= waiter;
      const fits = waiter.target.session?.role === connection.sessionRole;
      if (fits || nowMilliseconds - first.sinceMilliseconds > affinityPatienceMilliseconds)
        return fits ? waiter : first;
      if (++seen >= affinityWindow) break;
    }
    return first;
  }
}
