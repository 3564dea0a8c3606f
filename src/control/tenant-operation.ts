import { fault } from "../core/error.ts";
import type { OperationKind } from "../core/tenant/operation.ts";
import type { WriterPool } from "../postgres/pool.ts";

export interface TenantOperation {
  readonly slug: string;
  readonly kind: OperationKind;
  /** The workflow that does it. */
  readonly id: string;
  readonly startedAt: Date;
}

interface OperationRow {
  slug: string;
  kind: OperationKind;
  id: string;
  started_at: Date;
}

/** The region's list of tenants that something is done to as a whole: one operation at a time for each. */
export class TenantOperations {
  readonly #pool: WriterPool;

  constructor(pool: WriterPool) {
    this.#pool = pool;
  }

  /** Takes the tenant for the workflow `id`; repeating it for the same one is no error. @throws E_TENANT_BUSY */
  async claim(slug: string, kind: OperationKind, id: string): Promise<void> {
    await this.#pool.query(
      "INSERT INTO tenant_operations (slug, kind, id) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
      [slug, kind, id],
    );
    const holder = await this.find(slug);
    if (holder?.id === id) return;
    throw fault("E_TENANT_BUSY", `The tenant "${slug}" is taken by another ${holder?.kind ?? "operation"}.`);
  }

  /** Lets go of it, if that workflow still holds it. */
  async release(slug: string, id: string): Promise<void> {
    await this.#pool.query("DELETE FROM tenant_operations WHERE slug = $1 AND id = $2", [slug, id]);
  }

  async find(slug: string): Promise<TenantOperation | undefined> {
    const { rows } = await this.#pool.query<OperationRow>("SELECT * FROM tenant_operations WHERE slug = $1", [
      slug,
    ]);
    return rows[0] && toOperation(rows[0]);
  }

  async list(): Promise<TenantOperation[]> {
    const { rows } = await this.#pool.query<OperationRow>("SELECT * FROM tenant_operations ORDER BY slug");
    return rows.map(toOperation);
  }
}

function toOperation(row: OperationRow): TenantOperation {
  return { slug: row.slug, kind: row.kind, id: row.id, startedAt: row.started_at };
}
