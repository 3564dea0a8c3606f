import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { readdir, readFile, rename, rm, stat, utimes } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { withFileLock } from "../embedded/file-lock.ts";
import type { PostgresBinaries } from "../embedded/postgres/binaries.ts";
import { syncDataFolder } from "../embedded/postgres/copy-folder.ts";
import { initialiseDataFolder } from "../embedded/postgres/data-folder.ts";
import { generatePassword, scramVerifier } from "../postgres/scram.ts";
import { createOwnedFolder, dataFolderOf } from "./folders.ts";
import { startPostgres, writeSettings } from "./postgres.ts";
import { prepareRegion, writeAdministrator } from "./region.ts";

const makingTimeoutMilliseconds = 60_000;
const keptDays = 3;

/** What decides how a template turns out: SQL and code. */
const sources = [
  "../control/sql/region/",
  "../control/tenant-data/",
  "../embedded/sql/",
  "../embedded/postgres/",
  "./",
].map((folder) => fileURLToPath(new URL(folder, import.meta.url)));

/**
 * The folder of a region with its Postgres's data folder, ready to be started: the first test process of this user
 * makes it (about 2 s), and all later ones find it.
 */
export async function ensureTemplate(cache: string, binaries: PostgresBinaries): Promise<string> {
  const template = join(cache, `template-${await fingerprint(binaries)}`);
  if (!(await exists(template))) {
    // Of many processes that start together, one makes it.
    await withFileLock(
      join(cache, "template.lock"),
      async () => {
        if (!(await exists(template))) await makeTemplate(cache, template, binaries);
      },
      makingTimeoutMilliseconds,
    );
  }
  const now = new Date();
  await utimes(template, now, now);
  return template;
}

/** With owners and modes: the data folder is of the user that Postgres runs as. */
export async function copyTemplate(template: string, folder: string): Promise<void> {
  await promisify(execFile)("cp", ["-Rp", `${template}/.`, folder], { env: { PATH: "/usr/bin:/bin" } });
}

async function makeTemplate(cache: string, template: string, binaries: PostgresBinaries): Promise<void> {
  await removeUnused(cache);
  const folder = await createOwnedFolder(cache);
  const password = generatePassword();
  await initialiseDataFolder({
    folder: dataFolderOf(folder),
    binaries,
    verifiers: { administrator: scramVerifier(password), replication: scramVerifier(generatePassword()) },
    // Each test process copies at least one.
    walSegmentMegabytes: 1,
  });
  await writeSettings(dataFolderOf(folder), binaries);
  await writeAdministrator(folder, password);
  const postgres = await startPostgres(folder, binaries);
  await prepareRegion(folder, postgres.endpoint);
  await postgres.stop();
  // It may be found after a power cut.
  await syncDataFolder(folder);
  await rename(folder, template);
}

/** Templates of versions that are no longer in use. */
async function removeUnused(cache: string): Promise<void> {
  const oldest = Date.now() - keptDays * 24 * 3600 * 1000;
  for (const name of await readdir(cache)) {
    const path = join(cache, name);
    if (!name.startsWith("template-") || (await stat(path)).mtimeMs > oldest) continue;
    await rm(path, { recursive: true, force: true });
  }
}

/** Tells templates of different versions apart, and of different states of a clone. */
async function fingerprint(binaries: PostgresBinaries): Promise<string> {
  // Its size tells one major version of Postgres from another, wherever it is installed.
  const { size } = await stat(join(binaries.bin, "postgres"));
  const hash = createHash("sha256").update(`${process.arch} ${size}`);
  for (const folder of sources) {
    const entries = await readdir(folder, { recursive: true, withFileTypes: true });
    const files = entries.filter((entry) => entry.isFile() && !/\.test\.|\.d\.ts$/.test(entry.name));
    const paths = files.map(({ parentPath, name }) => join(parentPath, name)).toSorted();
    for (const bytes of await Promise.all(paths.map((path) => readFile(path)))) hash.update(bytes);
  }
  return hash.digest("hex").slice(0, 16);
}

async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}
