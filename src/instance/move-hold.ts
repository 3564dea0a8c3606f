import { fault } from "../core/error.ts";
import type { DirectoryEntry } from "../core/tenant/tenant.ts";
import type { Clock } from "../ports/clock.ts";
import type { Queryable } from "../postgres/pool.ts";
import type { InFlight } from "./in-flight.ts";

/** Requests that had begun before the tenant began to move may use its data for so long; one that waits can be repeated. */
const patienceMilliseconds = { reads: 100, writes: 1000 };
const pollMilliseconds = 2;
/** A tenant that moves for longer than this is not worth waiting for. */
const longestHoldMilliseconds = 30_000;

export interface MoveHoldOptions {
  /** The region's control database. */
  readonly regionPool: Queryable;
  readonly instanceId: string;
  readonly clock: Clock;
  readonly inFlight: { readonly reads: InFlight; readonly writes: InFlight };
  readonly find: (slug: string) => DirectoryEntry | undefined;
  /** How many of the tenant's queries and transactions run. */
  readonly leases: (slug: string) => number;
}

interface Moving {
  /** Of the directory row that said so. */
  readonly revision: number;
  /** What its queries wait for, once they do. */
  over?: Promise<void>;
  release: () => void;
}

/**
 * Holds a moving tenant's queries back. New requests wait at the door meanwhile; those under way may end, for a
 * while; then every new query of theirs waits, until the tenant has its new home. Once nothing of the tenant's runs,
 * the control plane is told so.
 */
export class MoveHold {
  readonly #options: MoveHoldOptions;
  /** By slug. */
  readonly #moving = new Map<string, Moving>();

  constructor(options: MoveHoldOptions) {
    this.#options = options;
  }

  /** What a new query of the tenant has to wait for; nothing where it may run. It rejects with E_TENANT_UNAVAILABLE. */
  gate(slug: string): Promise<void> | undefined {
    const over = this.#moving.get(slug)?.over;
    return over && this.#inTime(over);
  }

  async #inTime(over: Promise<void>): Promise<void> {
    const timeout = new AbortController();
    const late = this.#options.clock.sleep(longestHoldMilliseconds, timeout.signal).then(
      () => true,
      () => false,
    );
    const isLate = await Promise.race([over.then(() => false), late]);
    timeout.abort();
    if (isLate) throw fault("E_TENANT_UNAVAILABLE", "The tenant is being moved, and that takes too long.");
  }

  /** To be called with each slug whose directory row may have changed. */
  follow(slug: string): void {
    const entry = this.#options.find(slug);
    const known = this.#moving.get(slug);
    if (entry?.state !== "moving") {
      this.#moving.delete(slug);
      known?.release();
    } else if (known?.revision !== entry.revision) {
      const moving = { release: () => {}, ...known, revision: entry.revision };
      this.#moving.set(slug, moving);
      // The control plane waits no longer than its own patience, whatever goes wrong here.
      this.#drain(slug, moving).catch(() => {});
    }
  }

  async #drain(slug: string, moving: Moving): Promise<void> {
    const { clock, inFlight, leases, regionPool, instanceId } = this.#options;
    const timeout = new AbortController();
    await Promise.all(
      (["reads", "writes"] as const).map((kind) =>
        Promise.race([
          inFlight[kind].ended(slug),
          clock.sleep(patienceMilliseconds[kind], timeout.signal).catch(() => {}),
        ]),
      ),
    );
    timeout.abort();
    if (this.#moving.get(slug) !== moving) return;
    moving.over ??= new Promise((resolve) => {
      moving.release = resolve;
    });
    while (leases(slug) > 0) {
      await clock.sleep(pollMilliseconds);
      if (this.#moving.get(slug) !== moving) return;
    }
    await regionPool.query(
      `INSERT INTO drained_tenants (slug, instance, revision) VALUES ($1, $2, $3)
       ON CONFLICT (slug, instance) DO UPDATE SET revision = excluded.revision`,
      [slug, instanceId, moving.revision],
    );
  }
}
