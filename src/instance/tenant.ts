import type { Readable } from "node:stream";
import type { TenantPool } from "./pools/tenant-pool.ts";

/** The tenant that a request or job is for, and everything that is its own. */
export interface Tenant {
  readonly slug: string;
  /** The company's name. */
  readonly name: string;
  readonly region: string;
  readonly plan: string;
  readonly settings: Readonly<Record<string, unknown>>;
  readonly db: TenantDatabase;
  /** A Postgres URL with the tenant's own login, for an ORM that opens its own connections. It holds a password. */
  readonly databaseUrl: string;
  readonly cache: TenantCache;
  readonly files: TenantFiles;
  readonly mail: TenantMail;
  readonly queue: TenantQueue;
  readonly log: TenantLog;
}

/** The tenant's database, compatible with `pg.Pool`; `replica` reads from a standby and may lag behind. */
export type TenantDatabase = TenantPool & { readonly replica: TenantPool };

/**
 * The tenant's part of the region's cache. Values are anything that JSON holds; any may be forgotten at any time. While
 * the cache is away `get` finds nothing and `remember` loads. `set` and `delete` reject then, because an older value
 * may still be there for others to read.
 */
export interface TenantCache {
  get<T = unknown>(key: string): Promise<T | undefined>;
  /** Default 300 s. */
  set(key: string, value: unknown, options?: { readonly ttlSeconds?: number }): Promise<void>;
  delete(key: string): Promise<void>;
  /** The cached value, or what `load` gives; `load` runs once, however many ask on however many instances. */
  remember<T>(key: string, ttlSeconds: number, load: () => T | Promise<T>): Promise<T>;
}

/** What a listing knows of one of the tenant's files. */
export interface ListedTenantFile {
  readonly key: string;
  /** Bytes. */
  readonly size: number;
  readonly etag: string;
  readonly lastModified: Date;
}

/** What is known of one of the tenant's files. */
export interface TenantFile extends ListedTenantFile {
  readonly contentType: string;
}

/** The tenant's files, under a prefix that a key can't leave. @throws E_OBJECT_KEY from every method */
export interface TenantFiles {
  put(
    key: string,
    body: string | Uint8Array | Readable,
    options?: { readonly contentType?: string },
  ): Promise<TenantFile>;
  /** `undefined` when there is none. */
  get(key: string): Promise<{ readonly info: TenantFile; readonly body: Readable } | undefined>;
  /** By key; `next` is the `after` of the next page and absent on the last. */
  list(options?: {
    readonly prefix?: string;
    readonly after?: string;
    readonly limit?: number;
  }): Promise<{ readonly files: readonly ListedTenantFile[]; readonly next?: string }>;
  delete(key: string): Promise<void>;
  /** A URL that reads the file without credentials for so long; default 3600 s. */
  url(key: string, options?: { readonly expiresInSeconds?: number }): Promise<string>;
}

/** Mail from the tenant's own address. */
export interface TenantMail {
  send(message: {
    readonly to: string;
    readonly subject: string;
    readonly text: string;
    readonly html?: string;
    /** The same key of one tenant is sent once. */
    readonly idempotencyKey?: string;
  }): Promise<{ readonly id: string; readonly status: string }>;
}

/** Messages to the workers, each marked with its tenant. */
export interface TenantQueue {
  /** `body` is anything that JSON holds, at most 256 kB; `delaySeconds`: 0 to 900. */
  send(body: unknown, options?: { readonly delaySeconds?: number }): Promise<{ readonly id: string }>;
}

/** One JSON line per call, marked with the tenant and the instance. */
export interface TenantLog {
  debug(message: string, fields?: Readonly<Record<string, unknown>>): void;
  info(message: string, fields?: Readonly<Record<string, unknown>>): void;
  warn(message: string, fields?: Readonly<Record<string, unknown>>): void;
  error(message: string, fields?: Readonly<Record<string, unknown>>): void;
}
