import { hasEnded } from "../core/workflow/state.ts";
import type { Clock } from "../ports/clock.ts";
import type { Workflows } from "../ports/workflows.ts";
import type { Queryable } from "../postgres/pool.ts";

const weekSeconds = 604_800;

/** Which workflows of this region were told who a tenant is, so that they can be forgotten with it. */
export class TenantWorkflows {
  readonly #pool: Queryable;
  readonly #workflows: Workflows;
  readonly #clock: Clock;

  constructor(parts: { readonly pool: Queryable; readonly workflows: Workflows; readonly clock: Clock }) {
    this.#pool = parts.pool;
    this.#workflows = parts.workflows;
    this.#clock = parts.clock;
  }

  /** To be called before the workflow `id` is started. */
  async note(slug: string, id: string): Promise<void> {
    await this.#pool.query(
      "INSERT INTO tenant_workflows (id, slug, noted_at) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
      [id, slug, this.#clock.now()],
    );
  }

  async count(slug: string): Promise<number> {
    const { rows } = await this.#pool.query<{ count: number }>(
      "SELECT count(*)::int AS count FROM tenant_workflows WHERE slug = $1",
      [slug],
    );
    return rows[0]?.count ?? 0;
  }

  /** Forgets all that the tenant's workflows were told. @throws E_CONFLICT while one is under way */
  async forget(slug: string): Promise<void> {
    const { rows } = await this.#pool.query<{ id: string }>(
      "SELECT id FROM tenant_workflows WHERE slug = $1",
      [slug],
    );
    for (const { id } of rows) await this.#forgetOne(id);
  }

  /** Forgets sign-ups that failed a week ago or longer: who could not become a customer leaves nothing. */
  async sweep(): Promise<void> {
    const { rows } = await this.#pool.query<{ id: string }>(
      `SELECT id FROM tenant_workflows WHERE NOT settled AND noted_at < $1::timestamptz - make_interval(secs => $2)
       ORDER BY noted_at LIMIT 100`,
      [this.#clock.now(), weekSeconds],
    );
    for (const { id } of rows) {
      const execution = await this.#workflows.describe(id);
      if (execution && !hasEnded(execution.state)) continue;
      if (execution?.state === "completed")
        await this.#pool.query("UPDATE tenant_workflows SET settled = true WHERE id = $1", [id]);
      else await this.#forgetOne(id);
    }
  }

  async #forgetOne(id: string): Promise<void> {
    await this.#workflows.forget(id);
    await this.#pool.query("DELETE FROM tenant_workflows WHERE id = $1", [id]);
  }
}
