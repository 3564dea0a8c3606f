import { readdir, readFile } from "node:fs/promises";

/** All processes whose command line or environment names the state folder; Linux only. */
export async function processesOf(stateDirectory: string): Promise<number[]> {
  const pids = (await readdir("/proc")).filter((name) => /^\d+$/.test(name));
  const found = await Promise.all(
    pids.map(async (pid) => {
      const read = (file: string) => readFile(`/proc/${pid}/${file}`, "utf8").catch(() => "");
      const isZombie = (await read("stat")).includes(") Z ");
      const mentions =
        (await read("environ")).includes(stateDirectory) || (await read("cmdline")).includes(stateDirectory);
      return mentions && !isZombie ? Number(pid) : undefined;
    }),
  );
  return found.filter((pid) => pid !== undefined);
}
