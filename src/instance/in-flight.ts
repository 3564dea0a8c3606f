/** What is under way for tenants, counted. */
export class InFlight {
  readonly #counts = new Map<string, number>();
  readonly #waiters = new Map<string, Set<() => void>>();

  /** Counts one in; the returned function counts it out, once. */
  begin(slug: string): () => void {
    this.#counts.set(slug, this.count(slug) + 1);
    let hasEnded = false;
    return () => {
      if (hasEnded) return;
      hasEnded = true;
      const left = this.count(slug) - 1;
      if (left > 0) {
        this.#counts.set(slug, left);
        return;
      }
      this.#counts.delete(slug);
      for (const resolve of this.#waiters.get(slug) ?? []) resolve();
      this.#waiters.delete(slug);
    };
  }

  count(slug: string): number {
    return this.#counts.get(slug) ?? 0;
  }

  /** Resolves when none of the tenant's is under way. */
  async ended(slug: string): Promise<void> {
    if (this.count(slug) === 0) return;
    await new Promise<void>((resolve) => {
      const waiters = this.#waiters.get(slug) ?? new Set();
      this.#waiters.set(slug, waiters.add(resolve));
    });
  }
}
