/** A cache entry's address: the tenant is part of it, so that no key of one tenant can ever be another's. */
export interface CacheKey {
  readonly tenant: string;
  /** 1 to 512 bytes. */
  readonly key: string;
}

/**
 * A region's cache. It may forget anything at any time; values are text of at most 1 MB (1,000,000 bytes), times to
 * live 1 ms to a year. All methods @throws E_ARGUMENT for what is outside these limits. While the engine is away all
 * methods reject within seconds; a write that was rejected may have happened or not.
 */
export interface Cache {
  get(key: CacheKey): Promise<string | undefined>;
  set(key: CacheKey, value: string, options: { readonly ttlSeconds: number }): Promise<void>;
  /** True when the key was free and is now set: one caller of many wins. */
  setIfAbsent(key: CacheKey, value: string, options: { readonly ttlSeconds: number }): Promise<boolean>;
  delete(key: CacheKey): Promise<void>;
  /** Forgets all entries of one tenant. */
  clear(tenant: string): Promise<void>;
  close(): Promise<void>;
}
