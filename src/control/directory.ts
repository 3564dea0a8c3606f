import { fault, type RowhouseError } from "../core/error.ts";
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

/** One that is being made or moved gets its schema there; one that closes needs none any more. */
const migratedStates: readonly TenantState[] = ["active", "suspended"];

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

  /** How many tenants live in each region, in any state but closed; regions without one are left out. */
  async countByRegion(): Promise<ReadonlyMap<string, number>> {
    const { rows } = await this.#pool.query<{ region: string; count: number }>(
      "SELECT region, count(*)::int AS count FROM tenants WHERE state <> 'closed' GROUP BY region",
    );
    return new Map(rows.map(({ region, count }) => [region, count]));
  }

  /**
   * Lets no tenant into the region any more. Either that, or a tenant that lives there: both can't be, because no row
   * gets in between the mark and the count.
   * @throws E_REGION_IN_USE, and then nothing has changed
   */
  async closeRegion(region: string): Promise<void> {
    await this.#pool.transaction(async (client) => {
      // As every writer of `tenants` does: whoever was first has committed, and is counted.
      await client.query("SELECT pg_advisory_xact_lock(7241)");
      await client.query("INSERT INTO closed_regions (region) VALUES ($1) ON CONFLICT DO NOTHING", [region]);
      const { rows } = await client.query<{ slug: string; count: number }>(
        `SELECT slug, count(*) OVER ()::int AS count FROM tenants
         WHERE region = $1 AND state <> 'closed' ORDER BY slug LIMIT 3`,
        [region],
      );
      if (rows[0]) throw inUse(region, rows[0].count, rows);
    });
  }

  /** Lets tenants into the region again. */
  async openRegion(region: string): Promise<void> {
    await this.#pool.query("DELETE FROM closed_regions WHERE region = $1", [region]);
  }

  /**
   * Takes the slug for a sign-up; repeating it for the same sign-up is no error.
   * @throws E_TENANT_SLUG_TAKEN; E_REGION_UNKNOWN when the region was closed
   */
  async reserve(reservation: Reservation): Promise<DirectoryEntry> {
    const { slug, region, plan, isolation, signupId } = reservation;
    const inserted = await this.#pool
      .query<TenantRow>(
        `INSERT INTO tenants (slug, region, state, plan, isolation, signup_id)
         VALUES ($1, $2, 'provisioning', $3, $4, $5) ON CONFLICT (slug) DO NOTHING RETURNING *`,
        [slug, region, plan, isolation, signupId],
      )
      .catch((cause: unknown) => refuseClosedRegion(region, cause));
    if (inserted.rows[0]) return toEntry(inserted.rows[0]);
    const { rows } = await this.#pool.query<TenantRow>(
      "SELECT * FROM tenants WHERE slug = $1 AND signup_id = $2",
      [slug, signupId],
    );
    if (!rows[0]) throw fault("E_TENANT_SLUG_TAKEN", `The slug "${slug}" is taken.`);
    return toEntry(rows[0]);
  }

  /** Whether this sign-up holds the slug. */
  async isReserved(slug: string, signupId: string): Promise<boolean> {
    const { rowCount } = await this.#pool.query("SELECT FROM tenants WHERE slug = $1 AND signup_id = $2", [
      slug,
      signupId,
    ]);
    return rowCount === 1;
  }

  /** Whether this sign-up's tenant has been activated, whatever it is by now. */
  async wasOpened(slug: string, signupId: string): Promise<boolean> {
    const { rowCount } = await this.#pool.query(
      "SELECT FROM tenants WHERE slug = $1 AND signup_id = $2 AND state NOT IN ('provisioning', 'failed')",
      [slug, signupId],
    );
    return rowCount === 1;
  }

  /** The region's sign-ups that hold a slug and have made no tenant of it yet. */
  async listUnopened(region: string): Promise<readonly Pick<Reservation, "slug" | "signupId">[]> {
    const { rows } = await this.#pool.query<{ slug: string; signupId: string }>(
      `SELECT slug, signup_id AS "signupId" FROM tenants
       WHERE region = $1 AND state IN ('provisioning', 'failed') ORDER BY slug`,
      [region],
    );
    return rows;
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

  /** Writes down how new the schema of many tenants is now. */
  async setSchemaVersions(slugs: readonly string[], schemaVersion: number): Promise<DirectoryEntry[]> {
    const { rows } = await this.#pool.query<TenantRow>(
      "UPDATE tenants SET schema_version = $2 WHERE slug = ANY ($1) AND schema_version <> $2 RETURNING *",
      [slugs, schemaVersion],
    );
    return rows.map(toEntry);
  }

  /** How many tenants that migrations are for there are of each region and schema version. */
  async countBySchemaVersion(): Promise<
    readonly { readonly region: string; readonly schemaVersion: number; readonly tenants: number }[]
  > {
    const { rows } = await this.#pool.query<{ region: string; schema_version: number; tenants: number }>(
      `SELECT region, schema_version, count(*)::int AS tenants FROM tenants WHERE state = ANY ($1)
       GROUP BY region, schema_version ORDER BY region, schema_version`,
      [migratedStates],
    );
    return rows.map((row) => ({
      region: row.region,
      schemaVersion: row.schema_version,
      tenants: row.tenants,
    }));
  }

  /** Tenants of a region whose schema is older than `target`, by slug. */
  async listBehind(region: string, target: number): Promise<DirectoryEntry[]> {
    const { rows } = await this.#pool.query<TenantRow>(
      `SELECT * FROM tenants WHERE region = $1 AND schema_version < $2 AND state = ANY ($3) ORDER BY slug`,
      [region, target, migratedStates],
    );
    return rows.map(toEntry);
  }

  /**
   * Gives a tenant that moves its new home, and ends the move; a repeat finds it there already.
   * @throws E_TENANT_NOT_FOUND, E_TENANT_STATE when it neither moves nor lives there; E_REGION_UNKNOWN when that
   * region takes no tenants
   */
  async rehome(
    slug: string,
    home: {
      readonly region: string;
      readonly plan: string;
      readonly isolation: Isolation;
      readonly server: string;
      readonly schemaVersion: number;
    },
    state: "active" | "suspended",
  ): Promise<DirectoryEntry> {
    const { region, plan, isolation, server, schemaVersion } = home;
    const { rows } = await this.#pool
      .query<TenantRow>(
        `UPDATE tenants SET region = $2, plan = $3, isolation = $4, server = $5, schema_version = $6, state = $7
         WHERE slug = $1 AND state = 'moving' RETURNING *`,
        [slug, region, plan, isolation, server, schemaVersion, state],
      )
      .catch((cause: unknown) => refuseClosedRegion(region, cause));
    if (rows[0]) return toEntry(rows[0]);
    const entry = (await this.find(slug)) ?? notFound(slug);
    if (entry.region === region && entry.server === server && entry.plan === plan) return entry;
    throw fault("E_TENANT_STATE", `The tenant "${slug}" is ${entry.state}, and can't end a move.`);
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

/** The SQLSTATEs that the trigger of `tenants` raises. */
const regionClosed = "RH001";
const regionLost = "RH002";

function refuseClosedRegion(region: string, cause: unknown): never {
  if ((cause as { code?: unknown }).code === regionLost)
    throw fault("E_REGION_LOST", `The region ${region} has failed over, and takes no tenants.`, { cause });
  if ((cause as { code?: unknown }).code !== regionClosed) throw cause;
  throw fault("E_REGION_UNKNOWN", `The region ${region} takes no tenants: it is deleted.`, { cause });
}

function inUse(region: string, count: number, first: readonly { readonly slug: string }[]): RowhouseError {
  const slugs = first.map(({ slug }) => slug).join(", ");
  const names = count > first.length ? `${slugs} and ${count - first.length} more` : slugs;
  return fault(
    "E_REGION_IN_USE",
    `${count} ${count === 1 ? "tenant lives" : "tenants live"} in ${region}: ${names}.`,
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
