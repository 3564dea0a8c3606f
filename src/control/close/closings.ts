import type {
  Certificate,
  ElsewhereReport,
  FinalExport,
  Inventory,
  Remainder,
} from "../../core/closing/certificate.ts";
import type { Clock } from "../../ports/clock.ts";
import type { Queryable } from "../../postgres/pool.ts";

/** What a closing writes down as it goes on, each at its first time. */
export interface ClosingParts {
  readonly inventory?: Inventory;
  readonly elsewhere?: readonly ElsewhereReport[];
  readonly remainders?: readonly Remainder[];
  readonly export?: FinalExport;
  readonly certificate?: Certificate;
}

/** A row of `closings`. */
export interface Closing extends ClosingParts {
  readonly slug: string;
  readonly askedBy: string;
  readonly askedAt: Date;
  /** The workflow of the newest attempt. */
  readonly attempt: string;
  readonly attemptedAt: Date;
  readonly withoutExport: boolean;
  readonly exportDeletedAt?: Date;
}

interface ClosingRow {
  slug: string;
  asked_by: string;
  asked_at: Date;
  attempt: string;
  attempted_at: Date;
  without_export: boolean;
  inventory: Inventory | null;
  elsewhere: readonly ElsewhereReport[] | null;
  remainders: readonly Remainder[] | null;
  export: FinalExport | null;
  export_deleted_at: Date | null;
  certificate: Certificate | null;
}

/** The region's list of the tenants that were closed, or are being so, with their certificates. */
export class Closings {
  readonly #pool: Queryable;
  readonly #clock: Clock;

  constructor(parts: { readonly pool: Queryable; readonly clock: Clock }) {
    this.#pool = parts.pool;
    this.#clock = parts.clock;
  }

  /** Writes down an attempt; who asked first, and when, stays. */
  async begin(attempt: {
    readonly slug: string;
    readonly askedBy: string;
    readonly id: string;
    readonly withoutExport: boolean;
  }): Promise<void> {
    await this.#pool.query(
      `INSERT INTO closings (slug, asked_by, asked_at, attempt, attempted_at, without_export) VALUES ($1, $2, $3, $4, $3, $5)
       ON CONFLICT (slug) DO UPDATE SET attempt = excluded.attempt, attempted_at = excluded.attempted_at,
         without_export = closings.without_export OR excluded.without_export`,
      [attempt.slug, attempt.askedBy, this.#clock.now(), attempt.id, attempt.withoutExport],
    );
  }

  /** Nobody waits for a last export any more, nor for what is away. */
  async waiveExport(slug: string): Promise<void> {
    await this.#pool.query("UPDATE closings SET without_export = true WHERE slug = $1", [slug]);
  }

  async find(slug: string): Promise<Closing | undefined> {
    const { rows } = await this.#pool.query<ClosingRow>("SELECT * FROM closings WHERE slug = $1", [slug]);
    return rows[0] && toClosing(rows[0]);
  }

  /** Writes a part down unless it is there already, and returns what is there. */
  async keep<Part extends keyof ClosingParts>(
    slug: string,
    part: Part,
    value: NonNullable<ClosingParts[Part]>,
  ): Promise<NonNullable<ClosingParts[Part]>> {
    const { rows } = await this.#pool.query<{ kept: NonNullable<ClosingParts[Part]> }>(
      `UPDATE closings SET ${part} = coalesce(${part}, $2) WHERE slug = $1 RETURNING ${part} AS kept`,
      [slug, JSON.stringify(value)],
    );
    return rows[0]?.kept ?? value;
  }

  /** Where the last exports lie that are kept, by their tenants. */
  async keptExports(): Promise<{ readonly slug: string; readonly key: string }[]> {
    const { rows } = await this.#pool.query<{ slug: string; key: string }>(
      `SELECT slug, export->>'key' AS key FROM closings
       WHERE export_deleted_at IS NULL AND export->>'kept' = 'true' ORDER BY slug`,
    );
    return rows;
  }

  /** The last exports whose time was over at `at` are gone. */
  async markExportsDeleted(at: Date): Promise<void> {
    await this.#pool.query(
      `UPDATE closings SET export_deleted_at = $1 WHERE export_deleted_at IS NULL AND export->>'kept' = 'true'
         AND (export->>'until')::timestamptz <= $1`,
      [at],
    );
  }
}

function toClosing(row: ClosingRow): Closing {
  return {
    slug: row.slug,
    askedBy: row.asked_by,
    askedAt: row.asked_at,
    attempt: row.attempt,
    attemptedAt: row.attempted_at,
    withoutExport: row.without_export,
    ...(row.inventory && { inventory: row.inventory }),
    ...(row.elsewhere && { elsewhere: row.elsewhere }),
    ...(row.remainders && { remainders: row.remainders }),
    ...(row.export && { export: row.export }),
    ...(row.export_deleted_at && { exportDeletedAt: row.export_deleted_at }),
    ...(row.certificate && { certificate: row.certificate }),
  };
}
