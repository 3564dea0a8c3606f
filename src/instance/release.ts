import { createHash, randomUUID } from "node:crypto";
import { mkdir, readFile, rename, rm, symlink, writeFile } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { fromBufferPromise } from "yauzl";
import { fault, RowhouseError } from "../core/error.ts";
import type { Migration } from "../core/migration/plan.ts";
import { parseManifest, type ReleaseManifest } from "../core/release/manifest.ts";
import { readMigrations } from "../postgres/migrate.ts";
import { type Application, readApplication } from "./application.ts";

/** Far above any sensible release; a zip that claims more is refused before it fills the disk. */
const maximumUnpackedBytes = 512 * 1024 * 1024;
const maximumFiles = 50_000;

/** Beside the unpacked files: the SHA-256 of the zip that they came from. */
const hashFile = "release.sha256";

/** What an unpacked release is about to be run with. */
export interface UnpackRelease {
  /** The zip's bytes, or its path. */
  readonly zip: Uint8Array | string;
  /** Hex; what the release was recorded with. */
  readonly sha256: string;
  /** Made by this call: it holds the whole release, or is as it was before. */
  readonly folder: string;
}

/**
 * Checks a release's zip and unpacks it so that its `import "rowhouse"` is this very package. What was already
 * unpacked from the same zip is left alone, so that it may be called at every start, by several processes at once.
 * @throws E_RELEASE_CORRUPT when the hash differs, or the zip is damaged, too large or leaves its folder
 */
export async function unpackRelease(options: UnpackRelease): Promise<ReleaseManifest> {
  const folder = resolve(options.folder);
  if (await isUnpacked(folder, options.sha256)) return readReleaseManifest(folder);
  const bytes = typeof options.zip === "string" ? await readFile(options.zip) : Buffer.from(options.zip);
  const actual = createHash("sha256").update(bytes).digest("hex");
  if (actual !== options.sha256) {
    throw fault(
      "E_RELEASE_CORRUPT",
      `The release has the SHA-256 ${actual}, and ${options.sha256} was recorded.`,
    );
  }
  const temporary = `${folder}.${randomUUID()}.tmp`;
  try {
    await unzip(bytes, temporary);
    const manifest = await readReleaseManifest(temporary);
    await linkPackage(temporary);
    await writeFile(join(temporary, hashFile), options.sha256, { flush: true });
    await moveInto(temporary, folder, options.sha256);
    return manifest;
  } catch (cause) {
    if (cause instanceof RowhouseError || isFileSystemFault(cause)) throw cause;
    throw fault("E_RELEASE_CORRUPT", `The release's zip can't be unpacked: ${(cause as Error).message}.`, {
      cause,
    });
  } finally {
    await rm(temporary, { recursive: true, force: true });
  }
}

/** A full or failing disk is not the zip's fault; two entries that want the same path are. */
function isFileSystemFault(error: unknown): boolean {
  const { syscall, code } = error as NodeJS.ErrnoException;
  return syscall !== undefined && !["EEXIST", "EISDIR", "ENOTDIR"].includes(code ?? "");
}

async function isUnpacked(folder: string, sha256: string): Promise<boolean> {
  const recorded = await readFile(join(folder, hashFile), "utf8").catch(() => undefined);
  return recorded === sha256;
}

/** yauzl itself refuses absolute names, backslashes and `..`, and data that is longer than its entry says. */
async function unzip(bytes: Buffer, folder: string): Promise<void> {
  const zip = await fromBufferPromise(bytes, { strictFileNames: true, validateEntrySizes: true });
  let total = 0;
  let count = 0;
  await mkdir(folder, { recursive: true });
  for await (const entry of zip.eachEntry()) {
    total += entry.uncompressedSize;
    count += 1;
    if (total > maximumUnpackedBytes || count > maximumFiles) {
      throw fault(
        "E_RELEASE_CORRUPT",
        `The release holds more than ${maximumUnpackedBytes / 1024 / 1024} MB or ${maximumFiles} files.`,
      );
    }
    if (entry.fileName.endsWith("/")) continue;
    const path = join(folder, entry.fileName);
    await mkdir(dirname(path), { recursive: true });
    // A regular file whatever the entry's mode says: no link can come out of a zip. Twice the same name is refused.
    await writeFile(path, await zip.openReadStreamPromise(entry), { flag: "wx", flush: true });
  }
}

/** One rename, so that a half-unpacked release is never seen; another process may have been first. */
async function moveInto(temporary: string, folder: string, sha256: string): Promise<void> {
  try {
    await rename(temporary, folder);
  } catch (error) {
    if (await isUnpacked(folder, sha256)) return;
    const { code } = error as NodeJS.ErrnoException;
    if (code !== "ENOTEMPTY" && code !== "EEXIST") throw error;
    await rm(folder, { recursive: true, force: true });
    await rename(temporary, folder);
  }
}

/** Lets modules in `folder` import `rowhouse` and get the package that this module belongs to. */
export async function linkPackage(folder: string): Promise<void> {
  const packageRoot = fileURLToPath(new URL("../../", import.meta.url));
  await mkdir(join(folder, "node_modules"), { recursive: true });
  await symlink(packageRoot, join(folder, "node_modules", "rowhouse"), "junction");
}

/**
 * The manifest of an unpacked release.
 * @throws E_RELEASE_CORRUPT
 */
async function readReleaseManifest(folder: string): Promise<ReleaseManifest> {
  try {
    return parseManifest(await readFile(join(folder, "manifest.json"), "utf8"));
  } catch (cause) {
    if (cause instanceof RowhouseError) throw cause;
    throw fault("E_RELEASE_CORRUPT", `The release in ${folder} has no manifest.json.`, { cause });
  }
}

/**
 * The migrations of an unpacked release, in order.
 * @throws E_RELEASE_CORRUPT when they are not those that the manifest names
 */
export async function readReleaseMigrations(folder: string): Promise<Migration[]> {
  const { migrations } = await readReleaseManifest(folder);
  if (migrations.length === 0) return [];
  const found = await readMigrations(join(folder, "migrations"));
  const isSame = (migration: Migration, index: number) => migration.sha256 === migrations[index]?.sha256;
  if (found.length !== migrations.length || !found.every(isSame)) {
    throw fault("E_RELEASE_CORRUPT", `The migrations in ${folder} are not those of the release's manifest.`);
  }
  return found;
}

/**
 * Imports the module of an unpacked release and returns what it gave to `defineApp`.
 * @throws E_APP_INVALID when it fails while it loads, or exports something else
 */
export async function loadApplication(folder: string): Promise<Application> {
  return readApplication(await importModule(join(folder, "app.js")));
}

async function importModule(file: string): Promise<unknown> {
  try {
    return await import(pathToFileURL(file).href);
  } catch (cause) {
    if (cause instanceof RowhouseError) throw cause;
    const { message, stack } = cause instanceof Error ? cause : new Error(String(cause));
    const place = /\(?([^\s(]+:\d+:\d+)\)?$/m
      .exec(stack ?? "")?.[1]
      ?.replace("file://", "")
      .replace(`${dirname(file)}/`, "");
    const where = place ? `, at ${place}` : "";
    throw fault("E_APP_INVALID", `The application's module failed while it was loaded: ${message}${where}.`, {
      cause,
      remedy: "Correct what the message says.",
    });
  }
}
