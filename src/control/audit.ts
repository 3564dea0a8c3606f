import type { Clock } from "../ports/clock.ts";
import type { Queryable } from "../postgres/pool.ts";

/** What was decided about a tenant, and by whom. */
export interface AuditEntry {
  /** ISO 8601. */
  readonly at: string;
  readonly region: string;
  /** Name of the operator. */
  readonly actor: string;
  readonly action: "move";
  readonly tenant: string;
  readonly details: Readonly<Record<string, string>>;
}

/** What is written down of a decision. */
export interface AuditRecord extends Pick<AuditEntry, "actor" | "action" | "tenant" | "details"> {
  /** The workflow that does it. */
  readonly operation: string;
}

interface AuditRow {
  at: Date;
  actor: string;
  action: AuditEntry["action"];
  slug: string;
  details: Record<string, string>;
}

interface AuditControl {
  /** What this region keeps of decisions, oldest first: about one tenant, or about all. */
  audit(query: { readonly slug?: string }): Promise<readonly AuditEntry[]>;
}

/** A region's audit trail. Entries are never changed, and stay when their tenant is gone. */
export class AuditTrail implements AuditControl {
  readonly #region: string;
  readonly #pool: Queryable;
  readonly #clock: Clock;

  constructor(parts: { readonly region: string; readonly pool: Queryable; readonly clock: Clock }) {
    this.#region = parts.region;
    this.#pool = parts.pool;
    this.#clock = parts.clock;
  }

  /** Writes an entry down, once for an operation and action. */
  async write(entry: AuditRecord): Promise<void> {
    await this.#pool.query(
      `INSERT INTO audit (at, actor, action, slug, operation, details) VALUES ($1, $2, $3, $4, $5, $6)
       ON CONFLICT (operation, action) DO NOTHING`,
      [this.#clock.now(), entry.actor, entry.action, entry.tenant, entry.operation, entry.details],
    );
  }

  async audit({ slug }: { readonly slug?: string }): Promise<readonly AuditEntry[]> {
    const { rows } = await this.#pool.query<AuditRow>(
      "SELECT * FROM audit WHERE $1::text IS NULL OR slug = $1 ORDER BY number",
      [slug ?? null],
    );
    return rows.map((row) => ({
      at: row.at.toISOString(),
      region: this.#region,
      actor: row.actor,
      action: row.action,
      tenant: row.slug,
      details: row.details,
    }));
  }
}
