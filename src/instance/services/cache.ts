import { createHash } from "node:crypto";
import { fault, UserError } from "../../core/error.ts";
import type { Cache } from "../../ports/cache.ts";
import type { Clock, Random } from "../../ports/clock.ts";
import type { TenantCache } from "../tenant.ts";

const defaultTtlSeconds = 300;

/** A loader that lives renews its lock; of one that died, others wait no longer than this. */
const lockTtlSeconds = 10;
const renewMilliseconds = 3_000;
const firstPollMilliseconds = 20;
const longestPollMilliseconds = 250;

/** The longest key that the port takes, less the prefix. */
const longestKeyBytes = 500;

/** What is being loaded in this process, over all tenants. */
export type Loads = Map<string, Promise<unknown>>;

export interface TenantCacheOptions {
  readonly cache: Cache;
  readonly slug: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly loads: Loads;
}

/** One tenant's part of the region's cache. */
export function createTenantCache(options: TenantCacheOptions): TenantCache {
  const { cache, slug, loads } = options;
  const address = (key: string) => ({ tenant: slug, key: `v:${shorten(key)}` });
  return {
    async get<T>(key: string) {
      return parse<T>(await forgiving(cache).get(address(key)));
    },
    async set(key, value, { ttlSeconds = defaultTtlSeconds } = {}) {
      const text = JSON.stringify(value);
      if (text === undefined) await cache.delete(address(key));
      else await cache.set(address(key), text, { ttlSeconds });
    },
    async delete(key) {
      await cache.delete(address(key));
    },
    remember<T>(key: string, ttlSeconds: number, load: () => T | Promise<T>): Promise<T> {
      if (!(ttlSeconds > 0)) throw fault("E_ARGUMENT", "The ttlSeconds of `remember` must be above 0.");
      const flight = `${slug}\0${key}`;
      const running = loads.get(flight);
      if (running) return running as Promise<T>;
      const started = rememberAcrossInstances(options, { key: shorten(key), ttlSeconds, load }).finally(() =>
        loads.delete(flight),
      );
      loads.set(flight, started);
      return started;
    },
  };
}

interface Remember<T> {
  readonly key: string;
  readonly ttlSeconds: number;
  readonly load: () => T | Promise<T>;
}

/** Whoever takes the lock loads; all others look again until the value is there, or the lock is free. */
async function rememberAcrossInstances<T>(options: TenantCacheOptions, what: Remember<T>): Promise<T> {
  const cache = forgiving(options.cache);
  const value = { tenant: options.slug, key: `v:${what.key}` };
  const lock = { tenant: options.slug, key: `l:${what.key}` };
  const token = options.random.uuid();
  for (let pause = firstPollMilliseconds; ; pause = Math.min(longestPollMilliseconds, pause * 2)) {
    const cached = await cache.get(value);
    if (cached !== undefined) return JSON.parse(cached) as T;
    if (await cache.setIfAbsent(lock, token, { ttlSeconds: lockTtlSeconds })) break;
    await options.clock.sleep(pause);
  }
  const renewal = new AbortController();
  void renew(options, { lock, token, signal: renewal.signal });
  try {
    // Between the look and the lock another loader may have come and gone.
    const cached = await cache.get(value);
    if (cached !== undefined) return JSON.parse(cached) as T;
    const loaded = await what.load();
    const text = JSON.stringify(loaded);
    if (text !== undefined) await cache.set(value, text, { ttlSeconds: what.ttlSeconds });
    return loaded;
  } finally {
    renewal.abort();
    if ((await cache.get(lock)) === token) await cache.delete(lock);
  }
}

async function renew(
  options: TenantCacheOptions,
  held: {
    readonly lock: { tenant: string; key: string };
    readonly token: string;
    readonly signal: AbortSignal;
  },
): Promise<void> {
  try {
    for (;;) {
      await options.clock.sleep(renewMilliseconds, held.signal);
      if ((await options.cache.get(held.lock)) !== held.token) return;
      await options.cache.set(held.lock, held.token, { ttlSeconds: lockTtlSeconds });
    }
  } catch {
    // The load is over, or the cache is away: then there is no lock to keep.
  }
}

/** A cache that is away has nothing, and everyone may load: slow is better than down. */
function forgiving(cache: Cache): Pick<Cache, "get" | "set" | "setIfAbsent" | "delete"> {
  return {
    get: (key) =>
      cache.get(key).catch((error: unknown) => {
        if (error instanceof UserError) throw error;
        return undefined;
      }),
    set: (key, value, options) => cache.set(key, value, options).catch(() => {}),
    setIfAbsent: (key, value, options) => cache.setIfAbsent(key, value, options).catch(() => true),
    delete: (key) => cache.delete(key).catch(() => {}),
  };
}

function parse<T>(text: string | undefined): T | undefined {
  return text === undefined ? undefined : (JSON.parse(text) as T);
}

function shorten(key: string): string {
  if (typeof key !== "string" || key === "")
    throw fault("E_ARGUMENT", "A cache key is a text that is not empty.");
  return Buffer.byteLength(key) <= longestKeyBytes ? key : createHash("sha256").update(key).digest("hex");
}
