import { fault } from "../core/error.ts";
import { type TenantRow, toEntry } from "../core/tenant/directory-row.ts";
import { lifecycle, type TenantEvent, type TenantState, transition } from "../core/tenant/lifecycle.ts";
import type { DirectoryEntry, Isolation } from "../core/tenant/tenant.ts";
import type { Queryable, WriterPool } from "../postgres/pool.ts";

export interface Reservation {
  readonly slug: string;
  readonly region: string;
  readonly plan: string;
  readonly isolation: Isolation;
  /** The sign-up that wants the slug. */
  readonly signupId: string;
}

/** The directory: the one table that says where each tenant lives. */
export class Directory {
  readonly #pool: WriterPool;

  constructor(pool: WriterPool) {
    this.#pool = pool;
  }

  async find(slug: string): Promise<DirectoryEntry | undefined> {
    const { rows } = await this.#pool.query<TenantRow>("SELECT * FROM tenants WHERE slug = $1", [slug]);
    return rows[0] && toEntry(rows[0]);
  }

  /** By slug, at most `limit` after the slug `after`. */
  async list(
    options: { readonly region?: string; readonly after?: string; readonly limit?: number } = {},
  ): Promise<DirectoryEntry[]> {
    const { rows } = await this.#pool.query<TenantRow>(
      `SELECT * FROM tenants
       WHERE ($1::text IS NULL OR region = $1) AND slug > $2 ORDER BY slug LIMIT $3`,
      [options.region ?? null, options.after ?? "", options.limit ?? 100_000],
    );
    return rows.map(toEntry);
  }

  /** What changed after `revision`, oldest change first. */
  async changesSince(revision: number, limit = 1000): Promise<DirectoryEntry[]> {
    const { rows } = await this.#pool.query<TenantRow>(
      "SELECT * FROM tenants WHERE revision > $1 ORDER BY revision LIMIT $2",
      [revision, limit],
    );
    return rows.map(toEntry);
  }

  /** How many tenants hold resources, by plan and over all regions. */
  async countByPlan(plan: string): Promise<number> {
    const { rows } = await this.#pool.query<{ count: number }>(
      "SELECT count(*)::int AS count FROM tenants WHERE plan = $1 AND state NOT IN ('closed', 'failed')",
      [plan],
    );
    return rows[0]?.count ?? 0;
  }

  /**
   * Takes the slug for a sign-up; repeating it for the same sign-up is no error.
   * @throws E_TENANT_SLUG_TAKEN
   */
  async reserve(reservation: Reservation): Promise<DirectoryEntry> {
    const { slug, region, plan, isolation, signupId } = reservation;
    const inserted = await this.#pool.query<TenantRow>(
      `INSERT INTO tenants (slug, region, state, plan, isolation, signup_id)
       VALUES ($1, $2, 'provisioning', $3, $4, $5) ON CONFLICT (slug) DO NOTHING RETURNING *`,
      [slug, region, plan, isolation, signupId],
    );
    if (inserted.rows[0]) return toEntry(inserted.rows[0]);
    const { rows } = await this.#pool.query<TenantRow>(
      "SELECT * FROM tenants WHERE slug = $1 AND signup_id = $2",
      [slug, signupId],
    );
    if (!rows[0]) throw fault("E_TENANT_SLUG_TAKEN", `The slug "${slug}" is taken.`);
    return toEntry(rows[0]);
  }

  /** Frees the slug of a sign-up that did not succeed; an active tenant is never touched. */
  async release(slug: string, signupId: string): Promise<void> {
    await this.#pool.query(
      "DELETE FROM tenants WHERE slug = $1 AND signup_id = $2 AND state IN ('provisioning', 'failed')",
      [slug, signupId],
    );
  }

  /** Writes down where the tenant's data is and how new its schema. @throws E_TENANT_NOT_FOUND */
  async place(
    slug: string,
    placement: { readonly server: string; readonly schemaVersion: number },
  ): Promise<DirectoryEntry> {
    const { rows } = await this.#pool.query<TenantRow>(
      `UPDATE tenants SET server = $2, schema_version = $3
       WHERE slug = $1 RETURNING *`,
      [slug, placement.server, placement.schemaVersion],
    );
    return toEntry(rows[0] ?? notFound(slug));
  }

  /**
   * Moves the tenant along its lifecycle.
   * @throws E_TENANT_NOT_FOUND, E_TENANT_STATE
   */
  async apply(slug: string, event: TenantEvent): Promise<DirectoryEntry> {
    const moves = (Object.keys(lifecycle) as TenantState[]).filter(
      (state) => lifecycle[state][event] !== null,
    );
    const { rows } = await this.#pool.query<TenantRow>(
      `UPDATE tenants SET state = move.next FROM unnest($2::text[], $3::text[]) AS move (state, next)
       WHERE slug = $1 AND tenants.state = move.state RETURNING tenants.*`,
      [slug, moves, moves.map((state) => lifecycle[state][event])],
    );
    if (rows[0]) return toEntry(rows[0]);
    const entry = (await this.find(slug)) ?? notFound(slug);
    // Throws with the reason, unless the tenant has just moved to a state that allows it.
    transition(entry.state, event);
    throw fault("E_CONFLICT", `The tenant "${slug}" is being changed by someone else.`);
  }
}

/** Writes directory rows into a region's copy; an older revision never replaces a newer one. */
export async function copyEntries(region: Queryable, entries: readonly DirectoryEntry[]): Promise<void> {
  if (entries.length === 0) return;
  await region.query(
    `INSERT INTO tenants (slug, region, state, plan, isolation, server, schema_version, created_at, revision)
     SELECT * FROM json_populate_recordset(NULL::tenants, $1)
     ON CONFLICT (slug) DO UPDATE SET region = excluded.region, state = excluded.state, plan = excluded.plan,
       isolation = excluded.isolation, server = excluded.server, schema_version = excluded.schema_version,
       created_at = excluded.created_at, revision = excluded.revision
     WHERE tenants.revision < excluded.revision`,
    [JSON.stringify(entries.map(toRow))],
  );
}

function notFound(slug: string): never {
  throw fault("E_TENANT_NOT_FOUND", `There is no tenant "${slug}".`);
}

function toRow(entry: DirectoryEntry): Record<string, unknown> {
  return {
    slug: entry.slug,
    region: entry.region,
    state: entry.state,
    plan: entry.plan,
    isolation: entry.isolation,
    server: entry.server,
    schema_version: entry.schemaVersion,
    created_at: entry.createdAt,
    revision: entry.revision,
  };
}
