import { createHash } from "node:crypto";
import { buffer } from "node:stream/consumers";
import { fault } from "../../core/error.ts";
import type { Migration } from "../../core/migration/plan.ts";
import { releaseKey } from "../../core/release/key.ts";
import type { Objects } from "../../ports/objects.ts";
import type { Registry } from "../../ports/registry.ts";

/** A release as a region has it. */
export interface InstalledRelease {
  readonly version: string;
  /** Hex SHA-256 of the zip. */
  readonly sha256: string;
  readonly migrations: readonly Migration[];
  /** Tells two releases with different migrations apart; spares are made for one of them. */
  readonly migrationsFingerprint: string;
}

/** Reads the migrations out of a release's zip. */
export type ReadMigrations = (zip: Uint8Array) => Promise<readonly Migration[]>;

interface Parts {
  readonly objects: Objects;
  readonly registry: Registry;
  readonly readMigrations: ReadMigrations;
}

/** Registry item that names the release which new instances run. */
const current = { domain: "release", name: "current" } as const;

/** Stores a release in the region and makes it the current one. @throws E_RELEASE_CORRUPT */
export async function installRelease(
  parts: Parts,
  release: { readonly version: string; readonly sha256: string; readonly zip: Uint8Array },
): Promise<InstalledRelease> {
  verify(release.version, release.sha256, release.zip);
  const key = releaseKey(release.version);
  if (!(await parts.objects.head(key))) {
    await parts.objects.put({ key, body: release.zip, contentType: "application/zip" });
  }
  await parts.registry.put(current.domain, current.name, {
    version: release.version,
    sha256: release.sha256,
  });
  return describe(parts, release);
}

/** What the registry names as the region's current release; `undefined` before the first. */
export async function currentRelease(
  registry: Registry,
): Promise<{ readonly version: string; readonly sha256: string } | undefined> {
  const item = await registry.get(current.domain, current.name);
  return item && { version: String(item.attributes.version), sha256: String(item.attributes.sha256) };
}

/** The region's current release; `undefined` before the first. @throws E_RELEASE_CORRUPT */
export async function findInstalledRelease(parts: Parts): Promise<InstalledRelease | undefined> {
  const named = await currentRelease(parts.registry);
  if (!named) return undefined;
  const { version, sha256 } = named;
  const stored = await parts.objects.get(releaseKey(version));
  if (!stored) throw fault("E_RELEASE_CORRUPT", `The zip of the release ${version} is missing.`);
  const zip = await buffer(stored.body);
  verify(version, sha256, zip);
  return describe(parts, { version, sha256, zip });
}

async function describe(
  parts: Parts,
  release: { readonly version: string; readonly sha256: string; readonly zip: Uint8Array },
): Promise<InstalledRelease> {
  const migrations = await parts.readMigrations(release.zip);
  const hash = createHash("sha256");
  for (const migration of migrations) hash.update(`${migration.file}\n${migration.sha256}\n`);
  return {
    version: release.version,
    sha256: release.sha256,
    migrations,
    migrationsFingerprint: hash.digest("hex"),
  };
}

function verify(version: string, sha256: string, zip: Uint8Array): void {
  if (createHash("sha256").update(zip).digest("hex") === sha256) return;
  throw fault("E_RELEASE_CORRUPT", `The zip of the release ${version} does not have the recorded SHA-256.`);
}
