import { execFile } from "node:child_process";
import { statfs } from "node:fs/promises";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { toRowhouseError } from "../../core/error.ts";
import { findPostgres } from "../../embedded/postgres/binaries.ts";
import { type Finding, fail, ok, warn } from "./check.ts";

/** The Node that runs this. */
export function checkNode(version = process.version): Finding {
  const major = Number.parseInt(version.slice(1), 10);
  if (major >= 24) return ok("node", version);
  return fail(
    "node",
    `${version} is too old`,
    "Install Node 24 or later, or run `npm install` in the clone, which brings one.",
  );
}

/** The Postgres that comes with the package, and the user that it runs as. */
export async function checkPostgres(): Promise<Finding[]> {
  try {
    const { bin, user } = await findPostgres();
    const { stdout } = await promisify(execFile)(join(bin, "postgres"), ["--version"], { cwd: "/" });
    return [
      ok("postgres", stdout.trim()),
      user === undefined
        ? ok("user", `an ordinary user (${process.getuid?.()})`)
        : ok("user", `root; Postgres, which refuses that, runs as user ${user}`),
    ];
  } catch (error) {
    const { reason, remedy } = toRowhouseError(error);
    return [fail("postgres", reason, remedy)];
  }
}

const neededBytes = 1024 ** 3;
const comfortableBytes = 5 * 1024 ** 3;

/** Room on the disk that holds, or will hold, the state folder. */
export async function checkDisk(stateDirectory: string): Promise<Finding> {
  const { bavail, bsize } = await statfsUpward(stateDirectory);
  const bytes = Number(bavail) * Number(bsize);
  const detail = `${(bytes / 1024 ** 3).toFixed(1)} GB free at ${stateDirectory}`;
  const remedy = "Free some space, or choose another disk with --state-dir.";
  if (bytes < neededBytes) return fail("disk", detail, remedy);
  return bytes < comfortableBytes ? warn("disk", detail, remedy) : ok("disk", detail);
}

async function statfsUpward(path: string): ReturnType<typeof statfs> {
  try {
    return await statfs(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT" || path === dirname(path)) throw error;
    return statfsUpward(dirname(path));
  }
}
