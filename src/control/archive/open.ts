import type { Readable } from "node:stream";
import type { ArchivedFile, ArchiveEntry, ArchiveManifest } from "../../core/archive/manifest.ts";
import { fault } from "../../core/error.ts";
import type { ArchiveBytes } from "./source.ts";

/** An archive whose table of contents and manifest were checked. */
export interface Archive {
  readonly manifest: ArchiveManifest;
  /** The entry's bytes; the stream fails with E_ARCHIVE_DAMAGED at its end when they are not what the manifest says. */
  read(entry: ArchiveEntry): Promise<Readable>;
  files(): AsyncIterable<ArchivedFile>;
  /** Reads everything, and compares it with the manifest. @throws E_ARCHIVE_DAMAGED */
  verify(): Promise<void>;
  close(): Promise<void>;
}

/** Closing the archive closes `bytes`. @throws E_ARCHIVE_FORMAT, E_ARCHIVE_VERSION, E_ARCHIVE_DAMAGED */
export async function openArchive(_bytes: ArchiveBytes): Promise<Archive> {
  throw fault("E_INTERNAL", "Not yet.");
}
