import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";

/** Who dies by SIGKILL at a step of a migration. */
export type Victim = "itself" | "run" | "backend" | "primary";

/** How each is killed at once, without a turn of the event loop before. */
export function victims(place: {
  readonly notes: string;
  readonly databasesFolder: string;
}): Readonly<Record<Victim, () => void>> {
  return {
    itself: () => process.kill(process.pid, "SIGKILL"),
    run: () => killPid(() => Number(readFileSync(join(place.notes, "run.pid"), "utf8"))),
    backend: () => killPid(() => backendOf(primaryOf(place.databasesFolder))),
    primary: () => killPid(() => primaryOf(place.databasesFolder)),
  };
}

/** One that is gone already has been killed by the step before. */
function killPid(find: () => number | undefined): void {
  try {
    const pid = find();
    if (pid !== undefined) process.kill(pid, "SIGKILL");
  } catch (error) {
    if (!["ESRCH", "ENOENT"].includes((error as NodeJS.ErrnoException).code ?? "")) throw error;
  }
}

/** The postmaster: the first line of its lock file. */
function primaryOf(databasesFolder: string): number {
  const server = join(databasesFolder, "shared-1");
  const { primary } = JSON.parse(readFileSync(join(server, "server.json"), "utf8")) as { primary: string };
  return Number(readFileSync(join(server, primary, "postmaster.pid"), "utf8").split("\n")[0]);
}

/** A process that serves a tenant's owner, or else any client. */
function backendOf(postmaster: number): number | undefined {
  const processes = execFileSync("ps", ["-axo", "pid=,ppid=,args="], { encoding: "utf8" }).trim().split("\n");
  const backends = processes
    .map((line) => /^\s*(\d+)\s+(\d+)\s+postgres: (.*)$/.exec(line))
    .filter((match) => Number(match?.[2]) === postmaster && /127\.0\.0\.1\(\d+\)/.test(match?.[3] ?? ""))
    .filter((match) => !match?.[3]?.startsWith("walsender"));
  const found = backends.find((match) => /rowhouse_migrator|_owner/.test(match?.[3] ?? "")) ?? backends[0];
  return found ? Number(found[1]) : undefined;
}
