import { createWriteStream } from "node:fs";
import { pipeline } from "node:stream/promises";
import { ZipFile } from "yazl";

/** The first moment a zip can tell, as local time: what is stored is the local date, so it must be the same everywhere. */
const epoch = new Date(1980, 0, 1);

/**
 * Writes files into a zip, the same bytes for the same files on any machine: sorted, without times, owners or
 * compression (whose output depends on the build of zlib).
 */
export async function writeArchive(path: string, files: ReadonlyMap<string, Uint8Array>): Promise<void> {
  const zip = new ZipFile();
  for (const [name, bytes] of [...files].toSorted(([a], [b]) => (a < b ? -1 : 1))) {
    const options = { mtime: epoch, mode: 0o100644, compress: false, forceDosTimestamp: true };
    zip.addBuffer(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength), name, options);
  }
  zip.end();
  await pipeline(zip.outputStream, createWriteStream(path, { flush: true }));
}
