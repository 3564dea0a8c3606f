import type { Databases } from "../../ports/databases.ts";
import { WriterPool } from "../../postgres/pool.ts";

/** Administrators' connections to the region's database servers, a small pool for each server and database. */
export class Administration {
  readonly #databases: Databases;
  readonly #pools = new Map<string, WriterPool>();

  constructor(databases: Databases) {
    this.#databases = databases;
  }

  /** @throws E_NOT_FOUND when there is no such server */
  async pool(server: string, database: string): Promise<WriterPool> {
    const key = `${server}/${database}`;
    const known = this.#pools.get(key);
    if (known) return known;
    const [endpoint, credentials] = await Promise.all([
      this.#databases.endpoint(server),
      this.#databases.administrator(server),
    ]);
    const raced = this.#pools.get(key);
    if (raced) return raced;
    const pool = new WriterPool({
      endpoint,
      database,
      credentials,
      applicationName: "rowhouse-control",
      max: 3,
    });
    this.#pools.set(key, pool);
    return pool;
  }

  /** Closes what is open to a server, or to one database of it, before that is dropped. */
  async forget(server: string, database?: string): Promise<void> {
    const prefix = database === undefined ? `${server}/` : `${server}/${database}`;
    const gone = [...this.#pools].filter(([key]) =>
      database === undefined ? key.startsWith(prefix) : key === prefix,
    );
    for (const [key] of gone) this.#pools.delete(key);
    await Promise.all(gone.map(([, pool]) => pool.end()));
  }

  async close(): Promise<void> {
    const pools = [...this.#pools.values()];
    this.#pools.clear();
    await Promise.all(pools.map((pool) => pool.end()));
  }
}
