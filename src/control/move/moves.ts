import type { Clock } from "../../ports/clock.ts";
import type { Queryable } from "../../postgres/pool.ts";
import type { ServingState } from "../relocation/relocation.ts";

/** What a move has written down of itself. */
export interface MoveRecord {
  readonly id: string;
  readonly slug: string;
  /** What the tenant was before, and is afterwards. */
  readonly state: ServingState;
  readonly startedAt: Date;
  readonly copiedBytes: number;
  readonly totalBytes: number;
  /** Between them nobody could write. */
  readonly frozenAt?: Date;
  readonly settledAt?: Date;
}

interface MoveRow {
  id: string;
  slug: string;
  state: ServingState;
  started_at: Date;
  copied_bytes: string;
  total_bytes: string;
  frozen_at: Date | null;
  settled_at: Date | null;
}

/** The region's list of moves that began in it. */
export class Moves {
  readonly #pool: Queryable;
  readonly #clock: Clock;

  constructor(parts: { readonly pool: Queryable; readonly clock: Clock }) {
    this.#pool = parts.pool;
    this.#clock = parts.clock;
  }

  /** Writes a move down at its first time; returns what is written. */
  async begin(id: string, slug: string, state: ServingState): Promise<void> {
    await this.#pool.query(
      "INSERT INTO moves (id, slug, state, started_at) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING",
      [id, slug, state, this.#clock.now()],
    );
  }

  async find(id: string): Promise<MoveRecord | undefined> {
    const { rows } = await this.#pool.query<MoveRow>("SELECT * FROM moves WHERE id = $1", [id]);
    return rows[0] && toRecord(rows[0]);
  }

  /** The tenant's newest one. */
  async findLast(slug: string): Promise<MoveRecord | undefined> {
    const { rows } = await this.#pool.query<MoveRow>(
      "SELECT * FROM moves WHERE slug = $1 ORDER BY started_at DESC LIMIT 1",
      [slug],
    );
    return rows[0] && toRecord(rows[0]);
  }

  async noteBytes(id: string, copied: number, total: number): Promise<void> {
    await this.#pool.query("UPDATE moves SET copied_bytes = $2, total_bytes = $3 WHERE id = $1", [
      id,
      copied,
      total,
    ]);
  }

  /** Writes and requests wait from now on; a repeat does not change since when. */
  async noteFrozen(id: string): Promise<void> {
    await this.#pool.query("UPDATE moves SET frozen_at = coalesce(frozen_at, $2) WHERE id = $1", [
      id,
      this.#clock.now(),
    ]);
  }

  /** They go on at the new place. */
  async noteSettled(id: string): Promise<void> {
    await this.#pool.query("UPDATE moves SET settled_at = coalesce(settled_at, $2) WHERE id = $1", [
      id,
      this.#clock.now(),
    ]);
  }
}

function toRecord(row: MoveRow): MoveRecord {
  return {
    id: row.id,
    slug: row.slug,
    state: row.state,
    startedAt: row.started_at,
    copiedBytes: Number(row.copied_bytes),
    totalBytes: Number(row.total_bytes),
    ...(row.frozen_at && { frozenAt: row.frozen_at }),
    ...(row.settled_at && { settledAt: row.settled_at }),
  };
}
