import { createHash, type Hash } from "node:crypto";
import { Readable } from "node:stream";
import type { ArchivedTenant } from "../../core/archive/manifest.ts";
import type { FinalExport } from "../../core/closing/certificate.ts";
import { durationSeconds } from "../../core/config/duration.ts";
import { fault } from "../../core/error.ts";
import type { DirectoryEntry } from "../../core/tenant/tenant.ts";
import { archiveInObject, decryptArchive, encryptArchive, writeArchive } from "../archive/archive.ts";
import type { RegionContext } from "../region-context.ts";
import type { Closings } from "./closings.ts";
import { isPassing, reasonOf } from "./measure.ts";

/** Where what is kept of a closed tenant lies: a slug may be used again one day, its time of birth not. */
export function closedPrefix(slug: string, createdAt: Date): string {
  return `closed/${slug}-${createdAt.getTime()}/`;
}

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
    const key = `${closedPrefix(slug, entry.createdAt)}archive`;
    const stored = await writeExport(context, entry, key);
    const until = new Date(platform.clock.now().getTime() + keepSeconds * 1000).toISOString();
    return { kept: true, key, ...stored, until };
  } catch (error) {
    if (isPassing(error)) throw error;
    return { kept: false, reason: reasonOf(error) };
  }
}

async function writeExport(context: RegionContext, entry: DirectoryEntry, key: string) {
  const { platform, locations } = context;
  const location = await locations.find(entry.slug);
  if (!location) throw fault("E_NOT_FOUND", "The tenant had no place for its rows.");
  const { server, database, schema } = location;
  const [endpoint, credentials, tenant] = await Promise.all([
    platform.databases.endpoint(server),
    platform.databases.administrator(server),
    archivedTenant(context, entry),
  ]);
  const source = { endpoint, credentials, database, schema };
  const { stream, manifest } = writeArchive({ source, tenant, objects: platform.objects });
  // The stream fails for the same reason.
  manifest.catch(() => {});
  const hash = createHash("sha256");
  const hashed = Readable.from(passThrough(stream, hash), { objectMode: false });
  const body = await encryptArchive(hashed, { keys: platform.keys, slug: entry.slug });
  const { size } = await platform.objects.put({ key, body });
  return { bytes: size, sha256: hash.digest("hex") };
}

async function* passThrough(stream: Readable, hash: Hash): AsyncGenerator<Buffer, void, void> {
  for await (const chunk of stream as AsyncIterable<Buffer>) {
    hash.update(chunk);
    yield chunk;
  }
}

async function archivedTenant({ pool }: RegionContext, entry: DirectoryEntry): Promise<ArchivedTenant> {
  const { rows } = await pool.query<{
    name: string;
    administrator_email: string;
    settings: Record<string, unknown>;
  }>("SELECT name, administrator_email, settings FROM profiles WHERE slug = $1", [entry.slug]);
  const { slug, plan, region, isolation } = entry;
  const profile = rows[0];
  return {
    slug,
    name: profile?.name ?? slug,
    administratorEmail: profile?.administrator_email ?? "",
    settings: profile?.settings ?? {},
    plan,
    region,
    isolation,
  };
}

/** The last export of a closed tenant as the archive that `tenant export` makes. @throws E_NOT_FOUND when none is kept */
export async function readFinalExport(
  context: RegionContext,
  closings: Closings,
  slug: string,
): Promise<Readable> {
  const closing = await closings.find(slug);
  const kept = closing?.export;
  if (!kept?.kept || closing?.exportDeletedAt) throw fault("E_NOT_FOUND", `No export of "${slug}" is kept.`);
  const { objects, keys } = context.platform;
  const archive = await decryptArchive(await archiveInObject(objects, kept.key), { keys, slug });
  return archive.read(0, archive.size);
}

/** Deletes the last exports whose time is over. */
export async function sweepFinalExports(context: RegionContext, closings: Closings): Promise<void> {
  for (const { slug, export: kept } of await closings.withExpiredExport()) {
    if (kept?.kept) await context.platform.objects.purge(kept.key.slice(0, kept.key.lastIndexOf("/") + 1));
    await closings.markExportDeleted(slug);
  }
}
