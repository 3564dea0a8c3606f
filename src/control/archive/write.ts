import type { Readable } from "node:stream";
import type { ArchivedTenant, ArchiveManifest } from "../../core/archive/manifest.ts";
import { fault } from "../../core/error.ts";
import type { DatabaseCredentials, DatabaseEndpoint } from "../../ports/databases.ts";
import type { Objects } from "../../ports/objects.ts";

/** Where rows are, and the administrator of their server. */
export interface DataAddress {
  readonly endpoint: DatabaseEndpoint;
  readonly credentials: DatabaseCredentials;
  readonly database: string;
  readonly schema: string;
}

export interface WriteArchiveOptions {
  readonly source: DataAddress;
  readonly tenant: ArchivedTenant;
  readonly objects: Pick<Objects, "list" | "head" | "get">;
  /** How much is written so far. */
  readonly onProgress?: (progress: { readonly bytes: number; readonly table?: string }) => void;
}

/** An archive while it is made. */
export interface ArchiveWriter {
  /** The ZIP; nothing is read from the database before it is. Destroying it ends all work. */
  readonly stream: Readable;
  /** What the archive says of itself, once the stream has ended; rejects when it fails. */
  readonly manifest: Promise<ArchiveManifest>;
}

/**
 * Writes everything of a tenant at one snapshot, while the tenant is served.
 * The stream fails with E_ARCHIVE_UNSUPPORTED for what an archive can't hold, E_DATABASE_UNAVAILABLE
 */
export function writeArchive(_options: WriteArchiveOptions): ArchiveWriter {
  throw fault("E_INTERNAL", "Not yet.");
}
