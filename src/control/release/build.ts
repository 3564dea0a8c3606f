import { createHash, randomUUID } from "node:crypto";
import { mkdir, mkdtemp, readFile, rename, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { fault, RowhouseError } from "../../core/error.ts";
import type { HashedFile, ReleaseManifest } from "../../core/release/manifest.ts";
import { readMigrations } from "../../postgres/migrate.ts";
import { writeArchive } from "./archive.ts";
import { readAssets } from "./assets.ts";
import { bundleApplication } from "./bundle.ts";
import { type ApplicationDescription, describeApplication } from "./describe.ts";

export interface BuiltRelease {
  readonly manifest: ReleaseManifest;
  readonly zipFile: string;
  /** Hex, of the zip's bytes. */
  readonly sha256: string;
}

/**
 * Builds `<outputFolder>/<version>.zip` from the module that exports what `defineApp` returned. The same sources
 * give the same version and the same bytes.
 * @throws E_RELEASE_BUILD with the place in the sources, E_APP_INVALID, E_MIGRATION_NAME
 */
export async function buildRelease(options: {
  readonly appFile: string;
  readonly outputFolder: string;
}): Promise<BuiltRelease> {
  const appFile = resolve(options.appFile);
  const files = new Map<string, Uint8Array>(Object.entries(await bundleApplication(appFile)));
  const application = await describeBundle(files);
  const migrations = await collectMigrations(application, appFile, files);
  const assets = await collectAssets(application, appFile, files);
  const version = sha256(
    [...files]
      .toSorted(byName)
      .map(([file, bytes]) => `${file}\0${sha256(bytes)}\n`)
      .join(""),
  ).slice(0, 12);
  const manifest: ReleaseManifest = { name: application.name, version, entry: "app.js", migrations, assets };
  files.set("manifest.json", Buffer.from(`${JSON.stringify(manifest, undefined, 2)}\n`));
  return { manifest, ...(await writeRelease(options.outputFolder, version, files)) };
}

/** Runs the bundle once, away from this process, to learn what it gave to `defineApp`. */
async function describeBundle(files: ReadonlyMap<string, Uint8Array>): Promise<ApplicationDescription> {
  const folder = await mkdtemp(join(tmpdir(), "rowhouse-build-"));
  try {
    for (const [file, bytes] of files) await writeFile(join(folder, file), bytes);
    return await describeApplication(folder);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function collectMigrations(
  application: ApplicationDescription,
  appFile: string,
  files: Map<string, Uint8Array>,
): Promise<HashedFile[]> {
  if (application.migrations === null) return [];
  const folder = resolve(dirname(appFile), application.migrations);
  const migrations = await readMigrations(folder).catch((error) => {
    throw error instanceof RowhouseError ? error : folderFault("migrations", folder, error);
  });
  return migrations.map(({ file, sql, sha256 }) => {
    files.set(`migrations/${file}`, Buffer.from(sql));
    return { file, sha256 };
  });
}

async function collectAssets(
  application: ApplicationDescription,
  appFile: string,
  files: Map<string, Uint8Array>,
): Promise<HashedFile[]> {
  if (application.assets === null) return [];
  const folder = resolve(dirname(appFile), application.assets);
  const assets = await readAssets(folder).catch((error) => {
    throw folderFault("assets", folder, error);
  });
  return assets.map(({ file, sha256, bytes }) => {
    files.set(`assets/${file}`, bytes);
    return { file, sha256 };
  });
}

function folderFault(field: "migrations" | "assets", folder: string, cause: unknown): RowhouseError {
  return fault("E_APP_INVALID", `The application's ${field} folder ${folder} can't be read.`, {
    cause,
    remedy: `Correct \`${field}\` in defineApp; it is relative to the module that calls it.`,
  });
}

async function writeRelease(
  outputFolder: string,
  version: string,
  files: ReadonlyMap<string, Uint8Array>,
): Promise<{ zipFile: string; sha256: string }> {
  await mkdir(outputFolder, { recursive: true });
  const zipFile = join(outputFolder, `${version}.zip`);
  const temporary = `${zipFile}.${randomUUID()}.tmp`;
  try {
    await writeArchive(temporary, files);
    const hash = sha256(await readFile(temporary));
    await rename(temporary, zipFile);
    return { zipFile, sha256: hash };
  } finally {
    await rm(temporary, { force: true });
  }
}

function sha256(content: string | Uint8Array): string {
  return createHash("sha256").update(content).digest("hex");
}

function byName([a]: readonly [string, unknown], [b]: readonly [string, unknown]): number {
  return a < b ? -1 : 1;
}
