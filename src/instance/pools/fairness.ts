/** Share of the budget that no single tenant may take, even while nobody else asks. */
const reservedShare = 1 / 4;

/**
 * How many connections one tenant may hold. While others wait, the budget is divided evenly among all who hold or
 * wait (max-min fairness, at least one each); else a tenant may have most of it, for what it holds can't be taken
 * back when someone else comes.
 */
export function connectionAllowance(
  budget: number,
  demand: { readonly tenants: number; readonly othersWait: boolean },
): number {
  if (demand.othersWait) return Math.max(1, Math.floor(budget / Math.max(1, demand.tenants)));
  return Math.max(1, budget - Math.floor(budget * reservedShare));
}

/** How many tenants hold or want connections, counted as they come and go. */
export class Demand {
  readonly #held = new Map<string, number>();
  readonly #waiting = new Map<string, number>();

  held(tenant: string): number {
    return this.#held.get(tenant) ?? 0;
  }

  /** Connections that the tenant holds or waits for. */
  of(tenant: string): number {
    return this.held(tenant) + (this.#waiting.get(tenant) ?? 0);
  }

  /** True when a tenant other than this one waits. */
  othersWait(tenant: string): boolean {
    return this.#waiting.size > (this.#waiting.has(tenant) ? 1 : 0);
  }

  /** Tenants that hold or wait. */
  get tenants(): number {
    let count = this.#held.size;
    for (const tenant of this.#waiting.keys()) if (!this.#held.has(tenant)) count++;
    return count;
  }

  changeHeld(tenant: string, by: 1 | -1): void {
    change(this.#held, tenant, by);
  }

  changeWaiting(tenant: string, by: 1 | -1): void {
    change(this.#waiting, tenant, by);
  }
}

function change(counts: Map<string, number>, key: string, by: 1 | -1): void {
  const count = (counts.get(key) ?? 0) + by;
  if (count === 0) counts.delete(key);
  else counts.set(key, count);
}
