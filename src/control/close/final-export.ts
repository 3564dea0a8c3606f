import { createHash, type Hash } from "node:crypto";
import { Readable } from "node:stream";
import type { FinalExport } from "../../core/closing/certificate.ts";
import { finalExportKey } from "../../core/closing/final-export-key.ts";
import { durationSeconds } from "../../core/config/duration.ts";
import { fault } from "../../core/error.ts";
import type { DirectoryEntry } from "../../core/tenant/tenant.ts";
import { archiveInObject, decryptArchive, encryptArchive, writeArchive } from "../archive/archive.ts";
import { copySealed } from "../archive/copy-sealed.ts";
import { addressOf, archivedTenant } from "../backup/source.ts";
import type { RegionContext } from "../region-context.ts";
import type { StoredLocation } from "../tenant-data/locations.ts";
import { Closings } from "./closings.ts";
import { isPassing, reasonOf } from "./measure.ts";

/**
 * Keeps a last export in the region's bucket, encrypted as backups are, or says why there is none. Done once: a later
 * attempt would find less.
 * @throws what may pass; with `--without-export` nobody waits for it
 */
export async function keepFinalExport(
  context: RegionContext,
  closings: Closings,
  slug: string,
): Promise<FinalExport> {
  const closing = await closings.find(slug);
  const done = closing?.export;
  if (done) return done;
  const made = closing?.withoutExport
    ? ({ kept: false, reason: "Whoever asked for the closing wanted none." } as const)
    : await makeExport(context, slug);
  return closings.keep(slug, "export", made);
}

async function makeExport(context: RegionContext, slug: string): Promise<FinalExport> {
  const { config, platform, directory } = context;
  const keepSeconds = durationSeconds(config.closing.keepExport);
  if (keepSeconds === 0) return { kept: false, reason: "The configuration keeps none." };
  const entry = await directory.find(slug);
  if (!entry) return { kept: false, reason: "The directory does not know the tenant." };
  try {
    const until = new Date(platform.clock.now().getTime() + keepSeconds * 1000);
    const key = finalExportKey(slug, until);
    const stored = await writeExport(context, entry, key);
    // The sweep copies what could not be copied now, and says why it can't.
    if (platform.recovery) await copySealed(platform, platform.recovery, { key, slug }).catch(() => {});
    return { kept: true, key, ...stored, until: until.toISOString() };
  } catch (error) {
    if (isPassing(error)) throw error;
    return { kept: false, reason: reasonOf(error) };
  }
}

async function writeExport(context: RegionContext, entry: DirectoryEntry, key: string) {
  const { platform, locations } = context;
  const location = await locations.find(entry.slug);
  if (!location) throw fault("E_NOT_FOUND", "The tenant had no place for its rows.");
  await requireSchema(context, location);
  const [source, tenant] = await Promise.all([addressOf(context, location), archivedTenant(context, entry)]);
  const { stream, manifest } = writeArchive({ source, tenant, objects: platform.objects });
  // The stream fails for the same reason.
  manifest.catch(() => {});
  const hash = createHash("sha256");
  const hashed = Readable.from(passThrough(stream, hash), { objectMode: false });
  const body = await encryptArchive(hashed, { keys: platform.keys, slug: entry.slug });
  const { size } = await platform.objects.put({ key, body });
  return { bytes: size, sha256: hash.digest("hex") };
}

/** Of a schema that is gone there would be an archive, too, with nothing in it. */
async function requireSchema({ administration }: RegionContext, location: StoredLocation): Promise<void> {
  const pool = await administration.pool(location.server, location.database);
  const { rowCount } = await pool.query("SELECT FROM pg_namespace WHERE nspname = $1", [location.schema]);
  if (rowCount === 0)
    throw fault(
      "E_NOT_FOUND",
      `The schema ${location.schema} of the database ${location.database} is missing.`,
    );
}

async function* passThrough(stream: Readable, hash: Hash): AsyncGenerator<Buffer, void, void> {
  for await (const chunk of stream as AsyncIterable<Buffer>) {
    hash.update(chunk);
    yield chunk;
  }
}

/** The last export of a closed tenant as the archive that `tenant export` makes. @throws E_NOT_FOUND when none is kept */
export async function readFinalExport(
  context: Pick<RegionContext, "pool" | "platform">,
  slug: string,
): Promise<Readable> {
  const closing = await new Closings({ ...context, clock: context.platform.clock }).find(slug);
  const kept = closing?.export;
  if (!kept?.kept || closing?.exportDeletedAt) throw fault("E_NOT_FOUND", `No export of "${slug}" is kept.`);
  const { objects, keys } = context.platform;
  if (!(await objects.head(kept.key)))
    throw fault(
      "E_NOT_FOUND",
      `The last export of "${slug}" was lost with the region that it was closed in.`,
    );
  const archive = await decryptArchive(await archiveInObject(objects, kept.key), { keys, slug });
  return archive.read(0, archive.size);
}
