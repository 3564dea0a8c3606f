import { checkCacheEntry, checkCacheKey, checkCacheTenant } from "../core/cache/entry.ts";
import type { Cache, CacheKey } from "../ports/cache.ts";
import { prepareEngineTables } from "../postgres/engine-tables.ts";
import type { WriterPool } from "../postgres/pool.ts";

/** How many expired entries one statement of a sweep removes: short enough to hold nobody up. */
const sweepBatch = 1000;

/** The cache, and what its owner has to do for it. */
export interface PostgresCache extends Cache {
  /** Removes what has expired and returns how much that was. Call it about once a minute. */
  sweep(): Promise<number>;
}

/** Makes the cache's table in the region's control database. Call before `createCache`. */
export function prepareCache(pool: WriterPool): Promise<void> {
  return prepareEngineTables(pool, "cache", new URL("./sql/cache/", import.meta.url));
}

/** The cache as an unlogged table: one round trip for each operation, expiry by the database's clock. */
export function createCache(options: { readonly pool: WriterPool }): PostgresCache {
  const { pool } = options;
  return {
    async get(key) {
      checkCacheKey(key);
      const { rows } = await pool.query<{ value: Buffer }>(
        `SELECT value FROM engine.cache_entries
         WHERE tenant = $1 AND key = $2 AND expires_at > clock_timestamp()`,
        address(key),
      );
      return rows[0]?.value.toString("utf8");
    },
    async set(key, value, { ttlSeconds }) {
      await write(pool, key, { value, ttlSeconds, condition: "" });
    },
    async setIfAbsent(key, value, { ttlSeconds }) {
      // Of several callers on one expired row, the later ones wait for the first and then see its new time.
      const condition = "WHERE entry.expires_at <= clock_timestamp()";
      return write(pool, key, { value, ttlSeconds, condition });
    },
    async delete(key) {
      checkCacheKey(key);
      await pool.query("DELETE FROM engine.cache_entries WHERE tenant = $1 AND key = $2", address(key));
    },
    async clear(tenant) {
      checkCacheTenant(tenant);
      await pool.query("DELETE FROM engine.cache_entries WHERE tenant = $1", [tenant]);
    },
    sweep: () => sweep(pool),
    /** Nothing to close: the pool belongs to whoever made it. */
    async close() {},
  };
}

async function write(
  pool: WriterPool,
  key: CacheKey,
  entry: { readonly value: string; readonly ttlSeconds: number; readonly condition: string },
): Promise<boolean> {
  checkCacheKey(key);
  checkCacheEntry(entry.value, entry.ttlSeconds);
  // clock_timestamp, not now: the time that the statement waited for a row's lock has passed too.
  const { rowCount } = await pool.query(
    `INSERT INTO engine.cache_entries AS entry (tenant, key, value, expires_at)
     VALUES ($1, $2, $3, clock_timestamp() + make_interval(secs => $4))
     ON CONFLICT (tenant, key) DO UPDATE
       SET value = excluded.value, expires_at = clock_timestamp() + make_interval(secs => $4) ${entry.condition}`,
    [...address(key), Buffer.from(entry.value, "utf8"), entry.ttlSeconds],
  );
  return rowCount === 1;
}

async function sweep(pool: WriterPool): Promise<number> {
  let removed = 0;
  for (let last = sweepBatch; last === sweepBatch; removed += last) {
    // Rows that someone is writing are skipped: they live on, or the next sweep has them.
    const { rowCount } = await pool.query(
      `DELETE FROM engine.cache_entries WHERE ctid = ANY (ARRAY(
         SELECT ctid FROM engine.cache_entries WHERE expires_at <= clock_timestamp()
         LIMIT $1 FOR UPDATE SKIP LOCKED))`,
      [sweepBatch],
    );
    last = rowCount ?? 0;
  }
  return removed;
}

function address({ tenant, key }: CacheKey): readonly [string, Buffer] {
  return [tenant, Buffer.from(key, "utf8")];
}
