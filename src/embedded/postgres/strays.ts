import { execFileSync } from "node:child_process";
import { readdir, readFile, readlink, realpath } from "node:fs/promises";
import { basename, join } from "node:path";
import type { Clock } from "../../ports/clock.ts";
import { processIdentity } from "../process-identity.ts";

/**
 * Ends every process of a data folder whose recorded postmaster is dead: backends that did not notice its death yet,
 * and a postmaster whose starter was killed before it could record it. Postgres refuses to start while one lives.
 * Killing them is safe: whatever they write now would be lost in the recovery that follows. Returns how many there were.
 */
export async function killStrays(dataFolder: string, clock: Clock): Promise<number> {
  const pids =
    process.platform === "linux" ? await straysOfProc(dataFolder) : await strayOfLockFile(dataFolder);
  for (const pid of pids) {
    try {
      process.kill(pid, "SIGKILL");
    } catch {
      // It ended by itself.
    }
  }
  while (pids.some((pid) => processIdentity(pid) !== undefined)) await clock.sleep(5);
  return pids.length;
}

/** Every process of Postgres works inside its data folder; one that just began has it open, or in its arguments. */
async function straysOfProc(dataFolder: string): Promise<number[]> {
  const folder = await realpath(dataFolder).catch(() => undefined);
  if (folder === undefined) return [];
  const pids = (await readdir("/proc")).filter((name) => /^\d+$/.test(name));
  const found = await Promise.all(
    pids.map(async (pid) => {
      try {
        // A person's shell may stand in the folder too.
        if (!basename(await readlink(`/proc/${pid}/exe`)).startsWith("postgres")) return undefined;
        const places = [
          await readlink(`/proc/${pid}/cwd`),
          await readlink(`/proc/${pid}/fd/3`).catch(() => ""),
        ];
        const args = (await readFile(`/proc/${pid}/cmdline`, "utf8")).split("\0");
        return [...places, ...args].includes(folder) ? Number(pid) : undefined;
      } catch {
        // Gone meanwhile, or another user's.
        return undefined;
      }
    }),
  );
  return found.filter((pid) => pid !== undefined);
}

/** Without /proc only the postmaster tells its folder, in its arguments. */
async function strayOfLockFile(dataFolder: string): Promise<number[]> {
  const pid = await lockFilePid(dataFolder);
  if (pid === undefined) return [];
  try {
    const command = execFileSync("ps", ["-o", "command=", "-p", String(pid)], { encoding: "utf8" });
    return command.includes(`-D ${dataFolder}`) ? [pid] : [];
  } catch {
    return [];
  }
}

/** The pid in `postmaster.pid`, if there is such a file. */
export async function lockFilePid(dataFolder: string): Promise<number | undefined> {
  const [pid] = await lockFileLines(dataFolder);
  return pid === undefined || !/^\d+$/.test(pid) ? undefined : Number(pid);
}

/** Lines of `postmaster.pid`: the pid first, the state eighth. Source: Postgres's src/include/utils/pidfile.h. */
export async function lockFileLines(dataFolder: string): Promise<string[]> {
  const content = await readFile(join(dataFolder, "postmaster.pid"), "utf8").catch(() => "");
  return content.split("\n").map((line) => line.trim());
}
