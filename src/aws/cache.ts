import { randomBytes } from "node:crypto";
import { checkCacheEntry, checkCacheKey, checkCacheTenant } from "../core/cache/entry.ts";
import type { Cache, CacheKey } from "../ports/cache.ts";
import { CacheCluster, type CacheClusterOptions } from "./cache/cluster.ts";
import { Generations, generationKey } from "./cache/generations.ts";

/** How many keys of a node one step of a scan looks at. */
const scanCount = 1_000;

/** Characters before each value that tell one writing from another. */
const markLength = 12;

/**
 * The cache on ElastiCache for Valkey in cluster mode, whose nodes come and go behind the configuration endpoint.
 * See `docs/adr/0007-a-cache-that-forgets.md`. All methods @throws E_AWS_UNAVAILABLE when the cache does not answer
 * within about a second; then a write may have happened or not.
 */
export function createCache(options: CacheClusterOptions): Cache {
  return new ValkeyCache(new CacheCluster(options));
}

class ValkeyCache implements Cache {
  readonly #cluster: CacheCluster;
  readonly #generations = new Generations();

  constructor(cluster: CacheCluster) {
    this.#cluster = cluster;
  }

  async get(entry: CacheKey): Promise<string | undefined> {
    checkCacheKey(entry);
    const { tenant, key } = entry;
    const value = await this.#cluster.run(tenant, (client) =>
      this.#generations.within(client, tenant, (prefix) => client.get(prefix + key)),
    );
    return value?.slice(markLength);
  }

  async set(entry: CacheKey, value: string, { ttlSeconds }: { readonly ttlSeconds: number }): Promise<void> {
    const { tenant, key, marked, milliseconds } = check(entry, value, ttlSeconds);
    await this.#cluster.run(tenant, (client) =>
      this.#generations.within(client, tenant, (prefix) =>
        client.set(prefix + key, marked, "PX", milliseconds),
      ),
    );
  }

  async setIfAbsent(
    entry: CacheKey,
    value: string,
    { ttlSeconds }: { readonly ttlSeconds: number },
  ): Promise<boolean> {
    // By its mark a caller that lost the answer, and asks again, knows its own entry.
    const { tenant, key, marked, milliseconds } = check(entry, value, ttlSeconds);
    const won = await this.#cluster.run(tenant, (client) =>
      this.#generations.within(client, tenant, (prefix) =>
        client.setIfAbsent(prefix + key, marked, milliseconds),
      ),
    );
    return won === 1;
  }

  async delete(entry: CacheKey): Promise<void> {
    checkCacheKey(entry);
    const { tenant, key } = entry;
    await this.#cluster.run(
      tenant,
      (client) => this.#generations.within(client, tenant, (prefix) => client.unlink(prefix + key)),
      { insist: true },
    );
  }

  /** The tenant's entries are forgotten at once; then their memory is freed. */
  async clear(tenant: string): Promise<void> {
    checkCacheTenant(tenant);
    await this.#cluster.run(
      tenant,
      async (client) => this.#free(tenant, await this.#generations.next(client, tenant)),
      {
        insist: true,
      },
    );
  }

  close(): Promise<void> {
    return this.#cluster.close();
  }

  /**
   * Deletes the keys of the tenant's earlier generations. Valkey 8 looks through the pattern's one slot only; before,
   * a scan passes all keys of each node, in small steps.
   */
  async #free(tenant: string, currentPrefix: string): Promise<void> {
    const { client } = this.#cluster;
    const isEarlier = (key: string) => key !== generationKey(tenant) && !key.startsWith(currentPrefix);
    for (const node of client.nodes("master")) {
      let cursor = "0";
      do {
        const [next, keys] = await node.scan(
          cursor,
          "MATCH",
          `${generationKey(tenant)}*`,
          "COUNT",
          scanCount,
        );
        await Promise.all(keys.filter(isEarlier).map((key) => client.unlink(key)));
        cursor = next;
      } while (cursor !== "0");
    }
  }
}

function check(entry: CacheKey, value: string, ttlSeconds: number) {
  checkCacheKey(entry);
  checkCacheEntry(value, ttlSeconds);
  const marked = randomBytes((markLength / 4) * 3).toString("base64url") + value;
  return { ...entry, marked, milliseconds: Math.ceil(ttlSeconds * 1_000) };
}
