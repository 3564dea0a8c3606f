import { finished, Readable } from "node:stream";
import {
  type ArchivedTable,
  type ArchivedTenant,
  type ArchiveEntry,
  type ArchiveManifest,
  archiveFormat,
  archiveVersion,
  filesEntry,
  manifestEntry,
  maximumEntries,
  schemaEntry,
  tableEntry,
} from "../../core/archive/manifest.ts";
import { fault } from "../../core/error.ts";
import type { Objects } from "../../ports/objects.ts";
import { copyRowsOut } from "../../postgres/copy-rows.ts";
import { describeSchema } from "../../postgres/schema-fingerprint.ts";
import { readSequences } from "../../postgres/sequences.ts";
import type { TableChecksum } from "../../postgres/table-checksum.ts";
import { storedColumns, type TableDescription } from "../../postgres/tables.ts";
import { ledgerTable } from "../tenant-data/migrator.ts";
import { readTenantFiles } from "./files.ts";
import { type DataAddress, openSnapshot, type Snapshot } from "./snapshot.ts";
import { ZipWriter } from "./zip-writer.ts";

/** What is in the archive so far. */
export interface ArchiveProgress {
  /** Of the ZIP. */
  readonly bytes: number;
  /** What is being written. */
  readonly entry: string;
}

export interface WriteArchiveOptions {
  readonly source: DataAddress;
  readonly tenant: ArchivedTenant;
  /** Of the region where the tenant's files are. */
  readonly objects: Pick<Objects, "list" | "get">;
  /** Deflates what is written: a fraction of the size, in several times the time. Default false. */
  readonly compress?: boolean;
  /** Called at each entry's begin and about each 8 MB. */
  readonly onProgress?: (progress: ArchiveProgress) => void;
}

/** An archive while it is made. */
export interface ArchiveWriter {
  /** The ZIP; the database is not asked before it is read. Destroying it ends all work. */
  readonly stream: Readable;
  /** What the archive says of itself, once the stream has ended; rejects when it fails or is destroyed. */
  readonly manifest: Promise<ArchiveManifest>;
}

/**
 * Writes all of a tenant at one snapshot while the tenant is served; files are as they are when their turn comes. The
 * stream fails with E_ARCHIVE_UNSUPPORTED for what an archive can't hold, E_DATABASE_BUSY, E_DATABASE_UNAVAILABLE.
 */
export function writeArchive(options: WriteArchiveOptions): ArchiveWriter {
  let written: ArchiveManifest | undefined;
  async function* bytes(): AsyncGenerator<Buffer> {
    const snapshot = await openSnapshot(options.source);
    try {
      const archive = new ArchiveInProgress(options, snapshot);
      written = yield* archive.write();
    } finally {
      snapshot.close();
    }
  }
  const stream = Readable.from(bytes(), { objectMode: false, highWaterMark: 1024 * 1024 });
  const manifest = new Promise<ArchiveManifest>((resolve, reject) => {
    finished(stream, (error) => {
      if (error) reject(error);
      else if (written) resolve(written);
    });
  });
  manifest.catch(() => {});
  return { stream, manifest };
}

const progressBytes = 8 * 1024 * 1024;

class ArchiveInProgress {
  readonly #options: WriteArchiveOptions;
  readonly #snapshot: Snapshot;
  readonly #zip: ZipWriter;
  #current = "";
  #reportedBytes = 0;

  constructor(options: WriteArchiveOptions, snapshot: Snapshot) {
    this.#options = options;
    this.#snapshot = snapshot;
    this.#zip = new ZipWriter({
      time: new Date(snapshot.info.time),
      compress: options.compress ?? false,
      onBytes: (bytes) => {
        if (bytes - this.#reportedBytes >= progressBytes) this.#report();
      },
    });
  }

  async *write(): AsyncGenerator<Buffer, ArchiveManifest> {
    const { client, schema: schemaName, info, materializedViews, migrations } = this.#snapshot;
    const checksums = this.#snapshot.checksums();
    checksums.catch(() => {});
    const description = await describeSchema(client, schemaName, [ledgerTable]);
    const lines = Buffer.from(description.map((line) => `${line}\n`).join(""));
    const schema = yield* this.#entry(schemaEntry, once(lines));
    const copied = yield* this.#tables();
    // After the rows: a sequence has no snapshot, and may be ahead of the rows but never behind.
    const sequences = await readSequences(client, schemaName);
    const tables = withChecksums(copied, await checksums);
    this.#snapshot.close();
    const files = yield* this.#files();
    const manifest: ArchiveManifest = {
      format: archiveFormat,
      version: archiveVersion,
      madeBy: "rowhouse",
      snapshot: info,
      tenant: this.#options.tenant,
      schema: {
        version: migrations.at(-1)?.number ?? 0,
        migrations,
        fingerprint: schema.sha256,
        description: schema,
      },
      tables,
      sequences,
      materializedViews,
      files,
    };
    yield* this.#entry(manifestEntry, once(Buffer.from(`${JSON.stringify(manifest, undefined, 2)}\n`)));
    yield* this.#zip.end();
    return manifest;
  }

  async *#tables(): AsyncGenerator<Buffer, CopiedTable[]> {
    const { client, schema, tables } = this.#snapshot;
    const copied: CopiedTable[] = [];
    for (const [index, table] of tables.entries()) {
      if (storedColumns(table).length === 0) {
        copied.push({ table });
        continue;
      }
      const rows = copyRowsOut(client, schema, table);
      const data = yield* this.#entry(tableEntry(index + 1, table.name), rows);
      copied.push({ table, rows: rows.rowCount, data });
    }
    return copied;
  }

  async *#files(): AsyncGenerator<Buffer, ArchiveManifest["files"]> {
    const list: Buffer[] = [];
    let [count, total] = [0, 0];
    for await (const file of readTenantFiles(this.#options.objects, this.#options.tenant.slug)) {
      const entry = yield* this.#entry(file.entry, file.body);
      const { key, contentType, lastModified } = file;
      list.push(Buffer.from(`${JSON.stringify({ ...entry, key, contentType, lastModified })}\n`));
      count++;
      total += entry.bytes;
    }
    return { count, bytes: total, list: yield* this.#entry(filesEntry, list) };
  }

  async *#entry(
    name: string,
    data: AsyncIterable<Buffer> | Iterable<Buffer>,
  ): AsyncGenerator<Buffer, ArchiveEntry> {
    if (this.#zip.entries >= maximumEntries) {
      throw fault(
        "E_ARCHIVE_UNSUPPORTED",
        `The tenant has more files than the ${maximumEntries} that an archive holds.`,
      );
    }
    this.#current = name;
    this.#report();
    return yield* this.#zip.entry(name, data);
  }

  #report(): void {
    this.#reportedBytes = this.#zip.bytes;
    this.#options.onProgress?.({ bytes: this.#zip.bytes, entry: this.#current });
  }
}

interface CopiedTable {
  readonly table: TableDescription;
  /** Absent, with the data, where there is no stored column. */
  readonly rows?: number;
  readonly data?: ArchiveEntry;
}

function withChecksums(
  copied: readonly CopiedTable[],
  checksums: ReadonlyMap<string, TableChecksum>,
): ArchivedTable[] {
  return copied.map(({ table, rows, data }) => {
    const found = checksums.get(table.name);
    if (!found || (rows !== undefined && rows !== found.rows)) {
      throw fault("E_INTERNAL", `Two reads of the table "${table.name}" at one snapshot differ.`);
    }
    const columns = table.columns
      .filter(({ generated }) => !generated)
      .map(({ name, type, nullable }) => ({ name, type, nullable }));
    const archived = { name: table.name, columns, primaryKey: table.primaryKey, ...found };
    return data ? { ...archived, data } : archived;
  });
}

function once(bytes: Buffer): Iterable<Buffer> {
  return [bytes];
}
