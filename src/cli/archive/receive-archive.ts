import { createHash } from "node:crypto";
import { createWriteStream } from "node:fs";
import { open, rename, rm } from "node:fs/promises";
import { dirname } from "node:path";
import { PassThrough, type Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { type Archive, archiveInFile, openArchive } from "../../control/archive/archive.ts";
import { fault, toRowhouseError } from "../../core/error.ts";
import type { Output } from "../output.ts";
import { byteProgress } from "./byte-progress.ts";

/** An archive that was written to a file, and checked. */
export interface ReceivedArchive {
  readonly bytes: number;
  /** Hex, of the file. */
  readonly sha256: string;
  readonly manifest: Archive["manifest"];
}

/**
 * Writes an archive to a file, under another name until it is whole and was read through: what bears the file's name is
 * always a whole archive. @throws E_ARCHIVE_DAMAGED, E_ARGUMENT when the file can't be written
 */
export async function receiveArchive(
  source: Readable,
  file: string,
  output: Output,
): Promise<ReceivedArchive> {
  const partial = `${file}.${process.pid}.partial`;
  try {
    const written = await write(source, partial, output);
    output.progress("Checking it …");
    const archive = await openArchive(await archiveInFile(partial));
    try {
      await archive.verify();
    } finally {
      await archive.close();
    }
    await rename(partial, file);
    await syncFolder(dirname(file));
    return { ...written, manifest: archive.manifest };
  } catch (error) {
    await rm(partial, { force: true });
    throw explain(error, file);
  }
}

async function write(
  source: Readable,
  file: string,
  output: Output,
): Promise<Pick<ReceivedArchive, "bytes" | "sha256">> {
  const hash = createHash("sha256");
  let bytes = 0;
  const tap = new PassThrough().on("data", (chunk: Buffer) => {
    hash.update(chunk);
    bytes += chunk.length;
  });
  // As private as what is in it.
  const target = createWriteStream(file, { mode: 0o600, flush: true });
  await pipeline(source, byteProgress(output, "received"), tap, target);
  return { bytes, sha256: hash.digest("hex") };
}

/** The new name outlives a crash of the machine only with its folder. */
async function syncFolder(path: string): Promise<void> {
  const folder = await open(path);
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}

function explain(error: unknown, file: string): unknown {
  const { code } = error as NodeJS.ErrnoException;
  if (["ENOENT", "EACCES", "EISDIR", "EROFS", "ENOTDIR", "EPERM"].includes(code ?? ""))
    return fault("E_ARGUMENT", `The file ${file} can't be written: ${(error as Error).message}.`, {
      cause: error,
    });
  const broken = ["UND_ERR_SOCKET", "ECONNRESET", "UND_ERR_ABORTED", "UND_ERR_RES_CONTENT_LENGTH_MISMATCH"];
  if (broken.includes(code ?? ""))
    return fault(
      "E_NOT_RUNNING",
      "The connection broke off before the archive was whole; nothing was written.",
      {
        cause: error,
      },
    );
  return toRowhouseError(error);
}
