import { fault } from "../../core/error.ts";
import type { TenantState } from "../../core/tenant/lifecycle.ts";
import type { DirectoryEntry, Isolation } from "../../core/tenant/tenant.ts";
import type { Clock } from "../../ports/clock.ts";
import type { WriterPool } from "../../postgres/pool.ts";
import { copyEntries, type Directory } from "../directory.ts";
import type { Administration } from "../tenant-data/administration.ts";
import { isGone } from "../tenant-data/gone.ts";
import type { Locations, StoredLocation } from "../tenant-data/locations.ts";
import { letIn, lockOut } from "./lock-out.ts";

/** How long requests that had begun before the freeze may take to end. */
const patienceMilliseconds = 3000;
const pollMilliseconds = 5;

/** The application name of an instance's connection that hears of changes to the directory begins so. */
const directoryListenerPrefix = "rowhouse-directory ";

/** What a tenant can be when it is frozen, and is again afterwards. */
export type ServingState = Extract<TenantState, "active" | "suspended">;

/** Where a tenant lives from now on. */
export interface NewHome {
  readonly region: string;
  readonly plan: string;
  readonly isolation: Isolation;
  readonly server: string;
  readonly schemaVersion: number;
}

interface RelocationParts {
  readonly clock: Clock;
  /** The region's control database. */
  readonly pool: WriterPool;
  readonly directory: Directory;
  readonly administration: Administration;
  readonly locations: Locations;
  /** How the plan's connections log in. */
  readonly connectionsOf: (plan: string) => "own" | "shared";
}

/**
 * Stops a tenant for a moment, so that its data can get another home: requests that come meanwhile wait, and find the
 * new one. Every method may be repeated after a crash.
 */
export class Relocation {
  readonly #parts: RelocationParts;

  constructor(parts: RelocationParts) {
    this.#parts = parts;
  }

  /**
   * From its return on nobody can read or write the tenant's rows at its current location, and what was acknowledged
   * before is committed there. New requests wait from its beginning; those under way end first, or fail after 3 s.
   * A location whose database or server is gone is one that nobody can write to.
   * `from` is the state that the caller found the tenant in.
   * @throws E_TENANT_STATE when it is in another one by now, E_DATABASE_UNAVAILABLE
   */
  async freeze(slug: string, from: ServingState): Promise<void> {
    const { directory, pool, locations } = this.#parts;
    const before = await directory.find(slug);
    if (before && before.state !== from && before.state !== "moving")
      throw fault("E_TENANT_STATE", `The tenant "${slug}" was ${from} and is ${before.state} now.`);
    const entry = await directory.apply(slug, "beginMove");
    await copyEntries(pool, [entry]);
    const drained = await this.#untilDrained(entry);
    const location = await locations.find(slug);
    if (location) await this.#unlessGone(location, (server) => lockOut(server, location, drained));
  }

  /** Serves the tenant from its current location again: what it was before the freeze. */
  async thaw(slug: string, to: ServingState): Promise<void> {
    const { directory, pool } = this.#parts;
    const entry = await directory.find(slug);
    if (entry?.state !== "moving") return;
    await this.unlock(entry);
    await copyEntries(pool, [await directory.apply(slug, endOfMove[to])]);
  }

  /** Lets the tenant's logins in at its current location, before it is served from there. */
  async unlock(entry: Pick<DirectoryEntry, "slug" | "plan">): Promise<void> {
    const { locations, connectionsOf } = this.#parts;
    const location = await locations.find(entry.slug);
    const connections = connectionsOf(entry.plan);
    if (location) await this.#unlessGone(location, (server) => letIn(server, location, connections));
  }

  /**
   * Says in the directory, and so everywhere, where a frozen tenant lives now and that it is served again: the moment
   * from which nothing can be taken back. The region's own copy follows at once.
   * @throws E_TENANT_STATE when the tenant is not frozen and does not live there already
   */
  async settle(slug: string, home: NewHome, to: ServingState): Promise<DirectoryEntry> {
    const entry = await this.#parts.directory.rehome(slug, home, to);
    await copyEntries(this.#parts.pool, [entry]);
    return entry;
  }

  /** Does the work in the location's database; nothing when there is none any more. */
  async #unlessGone(
    { server, database }: StoredLocation,
    work: (server: WriterPool) => Promise<void>,
  ): Promise<void> {
    try {
      await work(await this.#parts.administration.pool(server, database));
    } catch (error) {
      if (!isGone(error)) throw error;
    }
  }

  /**
   * Waits until all instances that hear of changes hold the tenant's requests back; returns those that do. One that has
   * just lost its connection hears nothing, and is not waited for.
   */
  async #untilDrained({ slug, revision }: DirectoryEntry): Promise<readonly string[]> {
    const { clock, pool } = this.#parts;
    const deadline = clock.elapsedMilliseconds() + patienceMilliseconds;
    for (;;) {
      const { rows } = await pool.query<{ listening: readonly string[]; drained: readonly string[] }>(
        `SELECT ARRAY(
           SELECT DISTINCT substr(application_name, length($1) + 1) FROM pg_stat_activity
           WHERE datname = current_database() AND starts_with(application_name, $1)) AS listening,
         ARRAY(SELECT instance FROM drained_tenants WHERE slug = $2 AND revision >= $3) AS drained`,
        [directoryListenerPrefix, slug, revision],
      );
      const { listening = [], drained = [] } = rows[0] ?? {};
      const areAll = listening.every((instance) => drained.includes(instance));
      if (areAll || clock.elapsedMilliseconds() > deadline) return drained;
      await clock.sleep(pollMilliseconds);
    }
  }
}

/** Which event ends a move for a tenant that was in that state before. */
const endOfMove = { active: "endMove", suspended: "endMoveSuspended" } as const;
