import type { AppliedMigration } from "../migration/plan.ts";
import type { Isolation } from "../tenant/tenant.ts";

/** What `format` says in every archive. */
export const archiveFormat = "rowhouse-archive";

/** The newest version that is written, and read. */
export const archiveVersion = 1;

/** The entry of the ZIP that describes all others. It comes last. */
export const manifestEntry = "manifest.json";
/** The schema's description, a line for each thing that it defines. */
export const schemaEntry = "schema.txt";
/** The list of files, a JSON object a line. */
export const filesEntry = "files.ndjson";
/** A file's entry is this and its key. */
export const filesFolder = "files/";

/** Files, tables and the rest together: a reader keeps the table of contents in memory. */
export const maximumEntries = 1_000_000;

/** Where a table's rows are; the number keeps names apart that differ in what a file system may not tell apart. */
export function tableEntry(number: number, table: string): string {
  const readable = table.replaceAll(/[^A-Za-z0-9_-]/g, "_");
  return `tables/${String(number).padStart(4, "0")}-${readable}.tsv`;
}

/** An entry of the ZIP and what its uncompressed bytes must be. */
export interface ArchiveEntry {
  readonly entry: string;
  readonly bytes: number;
  /** Hex. */
  readonly sha256: string;
}

/** Who the tenant is and what it has, as at the snapshot. */
export interface ArchivedTenant {
  readonly slug: string;
  readonly name: string;
  readonly administratorEmail: string;
  readonly settings: Readonly<Record<string, unknown>>;
  readonly plan: string;
  readonly region: string;
  readonly isolation: Isolation;
}

/** A table's rows. */
export interface ArchivedTable {
  readonly name: string;
  /** Of the file, in its order. */
  readonly columns: readonly { readonly name: string; readonly type: string; readonly nullable: boolean }[];
  readonly primaryKey: readonly string[];
  readonly rows: number;
  /** See `tableChecksums` in src/postgres/table-checksum.ts. */
  readonly checksum: string;
  /** Absent for a table without stored columns, of which the number of rows is all. */
  readonly data?: ArchiveEntry;
}

/** The `manifest.json` of an archive, described in docs/archive-format.md. */
export interface ArchiveManifest {
  readonly format: typeof archiveFormat;
  readonly version: number;
  /** The program and version that wrote it, as in `rowhouse 0.1.0`. */
  readonly madeBy: string;
  /** All rows are as they were at this moment. */
  readonly snapshot: {
    /** ISO 8601, UTC, by the database server's clock. */
    readonly time: string;
    /** Position in the server's log before which everything in the archive was committed. */
    readonly lsn: string;
    /** As in `18.4`. */
    readonly postgres: string;
  };
  readonly tenant: ArchivedTenant;
  readonly schema: {
    /** Number of the newest migration; 0 without one. */
    readonly version: number;
    readonly migrations: readonly AppliedMigration[];
    /** Hex; the SHA-256 of the description. */
    readonly fingerprint: string;
    readonly description: ArchiveEntry;
  };
  readonly tables: readonly ArchivedTable[];
  readonly sequences: readonly {
    readonly name: string;
    readonly lastValue: string;
    readonly isCalled: boolean;
  }[];
  /** Not in the archive; made anew from the rows when they are `populated`. */
  readonly materializedViews: readonly { readonly name: string; readonly populated: boolean }[];
  readonly files: {
    readonly count: number;
    /** The sum of the files' sizes. */
    readonly bytes: number;
    /** A JSON object a line: see `ArchivedFile`. */
    readonly list: ArchiveEntry;
  };
}

/** A line of the list of files. */
export interface ArchivedFile extends ArchiveEntry {
  /** The tenant's key of the file, without the prefix of its objects. */
  readonly key: string;
  readonly contentType: string;
  /** ISO 8601. */
  readonly lastModified: string;
}
