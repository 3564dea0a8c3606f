import { spawn } from "node:child_process";
import { chown, mkdir, open, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { fault, type RowhouseError } from "../../core/error.ts";
import type { PostgresBinaries } from "./binaries.ts";
import { firstStatements } from "./configuration.ts";
import { administratorRole } from "./server-state.ts";

/** How a Postgres program is told of a data folder. */
interface DataDirectory {
  /** For `-D`. */
  readonly argument: string;
  /** To be handed over as file descriptor 3. */
  readonly descriptor?: number;
}

/**
 * Runs `use` with a data folder as Postgres can reach it. When Rowhouse is root, Postgres is not, and may not enter
 * the folders on the way (a state folder in /root): it gets the folder open, and changes into it by its descriptor.
 */
export async function withDataDirectory<T>(
  folder: string,
  binaries: PostgresBinaries,
  use: (directory: DataDirectory) => Promise<T>,
): Promise<T> {
  if (binaries.user === undefined || process.platform !== "linux") return use({ argument: folder });
  const directory = await open(folder);
  try {
    return await use({ argument: "/proc/self/fd/3", descriptor: directory.fd });
  } finally {
    await directory.close();
  }
}

/** Makes a data folder with the two roles in it. Not synced to disk yet. @throws E_DISK_FULL */
export async function initialiseDataFolder(options: {
  readonly folder: string;
  readonly binaries: PostgresBinaries;
  readonly verifiers: Parameters<typeof firstStatements>[0];
  /** Default: Postgres's own, 16. */
  readonly walSegmentMegabytes?: number;
}): Promise<void> {
  const { folder, binaries, verifiers, walSegmentMegabytes = 16 } = options;
  await makeFolder(folder, binaries.user);
  await withDataDirectory(folder, binaries, async (directory) => {
    await run(binaries, directory, "initdb", [
      ...["-D", directory.argument, "-U", administratorRole],
      // Nobody can connect before pg_hba.conf is replaced: the server runs in single-user mode only.
      ...["-A", "trust", "--no-sync", "--no-instructions"],
      `--wal-segsize=${walSegmentMegabytes}`,
      // Unicode's case rules, and an order that no update of the system's libraries can change under an index.
      ...["-E", "UTF8", "--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"],
    ]);
    await run(
      binaries,
      directory,
      "postgres",
      ["--single", "-D", directory.argument, "-F", "-c", "log_checkpoints=off", "postgres"],
      firstStatements(verifiers),
    );
  });
}

/** Runs a tool to its end. Single-user mode ends with 0 whatever the statements did, so its complaints count too. */
async function run(
  binaries: PostgresBinaries,
  directory: DataDirectory,
  program: "initdb" | "postgres",
  args: readonly string[],
  input = "",
): Promise<void> {
  const child = spawn(join(binaries.bin, program), args, {
    cwd: "/",
    stdio: ["pipe", "ignore", "pipe", ...(directory.descriptor === undefined ? [] : [directory.descriptor])],
    // Without TZ, initdb searches the machine's time zone files for the local one.
    env: { LANG: "C", TZ: "UTC" },
    ...(binaries.user === undefined ? {} : { uid: binaries.user, gid: binaries.user }),
  });
  const exited = new Promise<number | null>((resolve, reject) =>
    child.once("exit", resolve).once("error", reject),
  );
  // A tool that ends early reports why on stderr; that its input broke says nothing more.
  child.stdin?.on("error", () => {}).end(input);
  const [code, complaints] = await Promise.all([exited, child.stderr ? text(child.stderr) : ""]);
  if (code !== 0 || /(ERROR|FATAL|PANIC):/.test(complaints)) throw postgresFault(program, complaints);
}

/** The error behind what a Postgres program wrote on its stderr. */
export function postgresFault(program: string, complaints: string): RowhouseError {
  if (/No space left on device/i.test(complaints)) {
    return fault("E_DISK_FULL", undefined, { cause: complaints });
  }
  const line =
    complaints.match(/(?:ERROR|FATAL|PANIC|error): +(.*)/)?.[1] ?? complaints.trim().split("\n").at(-1);
  return fault("E_INTERNAL", `${program} failed: ${line || "it said nothing"}.`);
}

/** Writes one file of a data folder whole or not at all, for its user alone. */
export async function writeDataFile(path: string, content: string, user: number | undefined): Promise<void> {
  const temporary = `${path}.new`;
  await rm(temporary, { force: true });
  const file = await open(temporary, "wx", 0o600);
  try {
    await file.writeFile(content);
    if (user !== undefined) await file.chown(user, user);
    await file.sync();
  } finally {
    await file.close();
  }
  await rename(temporary, path);
}

/** Makes a folder that only its user may enter. */
export async function makeFolder(path: string, user: number | undefined): Promise<void> {
  await mkdir(path, { recursive: true, mode: 0o700 });
  if (user !== undefined) await chown(path, user, user);
}
