import { fault } from "../../core/error.ts";
import { type TenantRow, toEntry } from "../../core/tenant/directory-row.ts";
import type { DirectoryEntry } from "../../core/tenant/tenant.ts";
import type { WriterPool } from "../../postgres/pool.ts";
import type { FailOverOutcome } from "./outcome.ts";

/** `serving` is what every region is of which nothing else is written down. */
export type RegionServiceState = "serving" | "failing-over" | "failed-over" | "resetting" | "failing-back";

/** What the directory says of a region as a whole. */
export interface RegionState {
  readonly region: string;
  /** Grows with each failover and each way back. */
  readonly epoch: number;
  readonly state: RegionServiceState;
  /** Where its tenants live meanwhile. */
  readonly successor: string | null;
  /** When it last said that it lives; `null` when it never did. */
  readonly aliveAt: Date | null;
  /** When its failover was asked for. */
  readonly askedAt: Date | null;
  readonly outcome: FailOverOutcome | null;
}

/** A tenant that does not live where it did when that region was lost. */
export interface AwayTenant {
  readonly slug: string;
  /** Where it lives now. */
  readonly region: string;
}

interface Row {
  region: string;
  epoch: number;
  state: RegionServiceState;
  successor: string | null;
  alive_at: Date | null;
  asked_at: Date | null;
  outcome: FailOverOutcome | null;
}

/** Whether a region in that state may answer any tenant. */
export function mayServe(state: RegionServiceState): boolean {
  return state === "serving" || state === "failing-back";
}

/** The directory's word on regions: whoever wants to serve asks here first. */
export class RegionStates {
  readonly #pool: WriterPool;

  constructor(pool: WriterPool) {
    this.#pool = pool;
  }

  async find(region: string): Promise<RegionState> {
    const { rows } = await this.#pool.query<Row>("SELECT * FROM regions WHERE region = $1", [region]);
    return rows[0] ? toState(rows[0]) : unwritten(region);
  }

  /** Those of which anything is written down. */
  async list(): Promise<RegionState[]> {
    const { rows } = await this.#pool.query<Row>("SELECT * FROM regions ORDER BY region");
    return rows.map(toState);
  }

  /** The region's word that it lives; returns the directory's word in turn. A lost one does not count as alive. */
  async beat(region: string): Promise<RegionServiceState> {
    const { rows } = await this.#pool.query<{ state: RegionServiceState }>(
      `INSERT INTO regions AS r (region, alive_at) VALUES ($1, now()) ON CONFLICT (region) DO UPDATE
       SET alive_at = CASE WHEN r.state IN ('serving', 'failing-back') THEN now() ELSE r.alive_at END
       RETURNING state`,
      [region],
    );
    return rows[0]?.state ?? "serving";
  }

  /**
   * Marks the region as lost, from which moment on it may serve nobody and nobody gets in; repeating it is no error.
   * @throws E_CONFLICT when its successor is lost itself
   */
  async beginFailOver(region: string, successor: string, askedAt: Date): Promise<RegionState> {
    return this.#pool.transaction(async (client) => {
      // As every writer of `tenants` does: who was let in before is seen, and nobody is afterwards.
      await client.query("SELECT pg_advisory_xact_lock(7241)");
      const { rows: lost } = await client.query(
        "SELECT FROM regions WHERE region = $1 AND state IN ('failing-over', 'failed-over', 'resetting')",
        [successor],
      );
      if (lost.length > 0) throw fault("E_CONFLICT", `The recovery region ${successor} is lost itself.`);
      const { rows } = await client.query<Row>(
        `INSERT INTO regions AS r (region, epoch, state, successor, asked_at) VALUES ($1, 1, 'failing-over', $2, $3)
         ON CONFLICT (region) DO UPDATE SET
           epoch = r.epoch + CASE WHEN r.state IN ('failing-over', 'failed-over') THEN 0 ELSE 1 END,
           successor = CASE WHEN r.state IN ('failing-over', 'failed-over') THEN r.successor ELSE $2 END,
           asked_at = CASE WHEN r.state = 'failing-over' THEN r.asked_at ELSE excluded.asked_at END,
           outcome = CASE WHEN r.state = 'failed-over' THEN r.outcome END,
           state = CASE WHEN r.state = 'failed-over' THEN r.state ELSE 'failing-over' END
         RETURNING *`,
        [region, successor, askedAt],
      );
      return toState(rows[0] ?? missing(region));
    });
  }

  /** Goes on to the next state, from one of those before it or that state itself. @throws E_CONFLICT */
  async advance(
    region: string,
    from: readonly RegionServiceState[],
    to: RegionServiceState,
    outcome: FailOverOutcome | null = null,
  ): Promise<RegionState> {
    const { rows } = await this.#pool.query<Row>(
      `UPDATE regions SET state = $3, outcome = coalesce($4, outcome) WHERE region = $1 AND state = ANY ($2)
       RETURNING *`,
      [region, [...from, to], to, outcome === null ? null : JSON.stringify(outcome)],
    );
    if (rows[0]) return toState(rows[0]);
    const { state } = await this.find(region);
    throw fault("E_CONFLICT", `The region ${region} is ${state} meanwhile.`);
  }

  /** All is as before its failover. */
  async endFailBack(region: string): Promise<void> {
    await this.#pool.query(
      `UPDATE regions SET state = 'serving', successor = NULL, asked_at = NULL, outcome = NULL
       WHERE region = $1 AND state = 'failing-back'`,
      [region],
    );
  }

  /** The tenants that are to be taken over, and those that were already; no sign-up that had not come to its end. */
  async tenantsToRecover(region: string, successor: string): Promise<readonly DirectoryEntry[]> {
    const { rows } = await this.#pool.query<TenantRow>(
      `SELECT * FROM tenants WHERE (region = $1 OR origin_region = $1 AND region = $2)
         AND state NOT IN ('provisioning', 'failed') ORDER BY slug`,
      [region, successor],
    );
    return rows.map(toEntry);
  }

  /**
   * Gives many tenants their home in the successor at once, with the servers and schema versions told, and frees the
   * slugs of sign-ups that the lost region had not finished. A tenant that was about to move stays where it is taken to.
   */
  async rehomeAll(
    region: string,
    successor: string,
    homes: readonly {
      readonly slug: string;
      readonly server: string | null;
      readonly schemaVersion: number;
    }[],
  ): Promise<readonly DirectoryEntry[]> {
    return this.#pool.transaction(async (client) => {
      await client.query("DELETE FROM tenants WHERE region = $1 AND state IN ('provisioning', 'failed')", [
        region,
      ]);
      const { rows } = await client.query<TenantRow>(
        `UPDATE tenants AS t SET region = $2, origin_region = coalesce(t.origin_region, $1), server = home.server,
           schema_version = home.schema_version, state = CASE t.state WHEN 'moving' THEN 'active' ELSE t.state END
         FROM json_to_recordset($3) AS home (slug text, server text, schema_version integer)
         WHERE t.slug = home.slug AND t.region = $1 RETURNING t.*`,
        [
          region,
          successor,
          JSON.stringify(
            homes.map(({ slug, server, schemaVersion }) => ({ slug, server, schema_version: schemaVersion })),
          ),
        ],
      );
      return rows.map(toEntry);
    });
  }

  /** The tenants that lived in the region when it was lost, and do not again. */
  async tenantsAway(region: string): Promise<readonly AwayTenant[]> {
    const { rows } = await this.#pool.query<AwayTenant>(
      `SELECT slug, region FROM tenants WHERE origin_region = $1 AND region <> $1
         AND state NOT IN ('closed', 'failed') ORDER BY slug`,
      [region],
    );
    return rows;
  }

  /** All that ever lived there when it was lost. */
  async tenantsThatLeft(region: string): Promise<readonly string[]> {
    const { rows } = await this.#pool.query<{ slug: string }>(
      "SELECT slug FROM tenants WHERE origin_region = $1 ORDER BY slug",
      [region],
    );
    return rows.map(({ slug }) => slug);
  }

  /** Forgets of those that live there again that they ever left. */
  async forgetReturned(region: string): Promise<void> {
    await this.#pool.query(
      "UPDATE tenants SET origin_region = NULL WHERE origin_region = $1 AND region = $1",
      [region],
    );
  }
}

function unwritten(region: string): RegionState {
  return { region, epoch: 0, state: "serving", successor: null, aliveAt: null, askedAt: null, outcome: null };
}

function toState(row: Row): RegionState {
  return {
    region: row.region,
    epoch: row.epoch,
    state: row.state,
    successor: row.successor,
    aliveAt: row.alive_at,
    askedAt: row.asked_at,
    outcome: row.outcome,
  };
}

function missing(region: string): never {
  throw fault("E_INTERNAL", `The directory has no row of ${region}.`);
}
