import { fault } from "../error.ts";

/** The longest key of a cache entry, in bytes of UTF-8. */
const maximumCacheKeyBytes = 512;

/** The largest value of a cache entry, in bytes of UTF-8. */
const maximumCacheValueBytes = 1_000_000;

/** A year; longer is a mistake in the unit. */
export const maximumCacheTtlSeconds = 366 * 86_400;

/** Wider than a slug, for parts of the platform that have no tenant; no character means anything to a cache. */
const tenantPattern = /^[a-z0-9][a-z0-9_-]{0,62}$/;

/** @throws E_ARGUMENT when the address of an entry is empty, too long or not Unicode */
export function checkCacheKey(address: { readonly tenant: string; readonly key: string }): void {
  checkCacheTenant(address.tenant);
  const bytes = utf8Length(address.key);
  if (bytes === undefined || bytes < 1 || bytes > maximumCacheKeyBytes) {
    throw fault("E_ARGUMENT", `A cache key has 1 to ${maximumCacheKeyBytes} bytes of valid Unicode.`);
  }
}

/** @throws E_ARGUMENT when a cache is asked for no tenant */
export function checkCacheTenant(tenant: string): void {
  if (!tenantPattern.test(tenant)) {
    throw fault("E_ARGUMENT", "A cache entry belongs to a tenant: its slug is missing or malformed.");
  }
}

/** @throws E_ARGUMENT when a value is too large or not Unicode, or its time to live not a time */
export function checkCacheEntry(value: string, ttlSeconds: number): void {
  const bytes = utf8Length(value);
  if (bytes === undefined || bytes > maximumCacheValueBytes) {
    throw fault("E_ARGUMENT", `A cache value has at most ${maximumCacheValueBytes} bytes of valid Unicode.`);
  }
  // One millisecond is the shortest that a cache can count.
  if (!(ttlSeconds >= 0.001 && ttlSeconds <= maximumCacheTtlSeconds)) {
    throw fault(
      "E_ARGUMENT",
      `A cache entry's ttlSeconds is 0.001 to ${maximumCacheTtlSeconds}, not ${ttlSeconds}.`,
    );
  }
}

/** `undefined` for a lone surrogate: encoded, it would become another text. */
function utf8Length(text: string): number | undefined {
  return typeof text === "string" && text.isWellFormed() ? new TextEncoder().encode(text).length : undefined;
}
