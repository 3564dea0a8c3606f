import { checkObjectKey } from "../object/key.ts";

/** Where a tenant's files are in its region's bucket. */
export function filesPrefix(slug: string): string {
  return `tenants/${slug}/files/`;
}

/**
 * The object key of a tenant's file.
 * @throws E_OBJECT_KEY when the key is no plain relative path, so that none can name what is not the tenant's
 */
export function fileKey(slug: string, key: string): string {
  checkObjectKey(key);
  const full = filesPrefix(slug) + key;
  checkObjectKey(full);
  return full;
}

/** The object key prefix for a listing; unlike a key it may be empty, or end in a slash. @throws E_OBJECT_KEY */
export function filesKeyPrefix(slug: string, prefix: string): string {
  if (prefix === "") return filesPrefix(slug);
  return prefix.endsWith("/") ? `${fileKey(slug, prefix.slice(0, -1))}/` : fileKey(slug, prefix);
}
