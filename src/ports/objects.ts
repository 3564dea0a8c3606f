import type { Readable } from "node:stream";

/** What is known of a stored object. */
export interface ObjectInfo {
  readonly key: string;
  /** Bytes. */
  readonly size: number;
  /** Quoted, as HTTP wants it. Equal ETags mean equal bytes; it is no promise of MD5. */
  readonly etag: string;
  readonly versionId: string;
  readonly contentType: string;
  readonly lastModified: Date;
}

/** What a listing says of an object; the rest takes a `head` (S3 lists no more than this). */
export type ListedObject = Pick<ObjectInfo, "key" | "size" | "etag" | "lastModified">;

/** One version of an object as `versions` names it. */
export type ObjectVersion = Omit<ObjectInfo, "contentType">;

export interface PutObject {
  readonly key: string;
  readonly body: Uint8Array | Readable;
  /** Default `application/octet-stream`. */
  readonly contentType?: string;
  /** `"*"` writes only when the key is free; an ETag writes only over exactly that one. */
  readonly condition?: { readonly ifNoneMatch: "*" } | { readonly ifMatch: string };
}

/** A region's one bucket. Keys are relative paths of at most 512 bytes; a write is whole or not at all. */
export interface Objects {
  /** @throws E_CONFLICT when the condition does not hold, E_OBJECT_KEY, E_ARGUMENT for a content type, E_DISK_FULL */
  put(object: PutObject): Promise<ObjectInfo>;
  /**
   * `undefined` when there is none. `range` is inclusive, in bytes; its end may lie past the object's, and
   * `info.size` is the whole object's size nonetheless.
   * @throws E_ARGUMENT when the range starts at or past the end
   */
  get(
    key: string,
    options?: {
      readonly versionId?: string;
      readonly range?: { readonly start: number; readonly end: number };
    },
  ): Promise<{ readonly info: ObjectInfo; readonly body: Readable } | undefined>;
  head(key: string): Promise<ObjectInfo | undefined>;
  /** In order of the keys' bytes, at most `limit` (default and maximum 1000) after the key `after`. */
  list(options: { readonly prefix: string; readonly after?: string; readonly limit?: number }): Promise<{
    readonly objects: readonly ListedObject[];
    /** Pass as `after` for the next page; absent on the last one. */
    readonly next?: string;
  }>;
  /** Newest first; a deleted object's versions stay until they are deleted by id. */
  versions(key: string): Promise<readonly ObjectVersion[]>;
  /**
   * The versions of all objects under the prefix, those of deleted ones too, in order of the keys' bytes; at most `limit`
   * (default and maximum 1000) after the place `after`, which is a page's `next`.
   * @throws E_ARGUMENT for a place that no page gave
   */
  listVersions(options: {
    readonly prefix: string;
    readonly after?: string;
    readonly limit?: number;
  }): Promise<{
    readonly versions: readonly ObjectVersion[];
    /** Pass as `after` for the next page, which may have none; absent on the last one. */
    readonly next?: string;
  }>;
  /**
   * Removes all versions of all objects under the prefix, hidden ones too, and returns how many versions that were:
   * the end of a tenant's data. The prefix ends in a slash, so that `tenants/acme/` is never `tenants/acme2/` too.
   * @throws E_OBJECT_KEY
   */
  purge(prefix: string): Promise<number>;
  /** Without a version the object is hidden and its versions stay; deleting what is not there is no error. */
  delete(key: string, options?: { readonly versionId?: string }): Promise<void>;
  /**
   * A URL, absolute or relative to the tenant's host, that reads the object without credentials until it expires.
   * `expiresInSeconds` is 1 to 604,800 (7 days, S3's limit). @throws E_ARGUMENT
   */
  url(key: string, options: { readonly expiresInSeconds: number }): Promise<string>;
}
