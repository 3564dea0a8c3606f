import { spawn } from "node:child_process";
import type { Socket } from "node:net";

/**
 * Waits until its input ends, which it does when the process at the other end is gone, by `kill -9` too: test runners
 * end their workers so. Then Postgres is told to end at once, and the folder goes. A dismissed one just ends.
 */
const script = `
read -r word
[ "$word" = dismissed ] && exit
kill -QUIT "$1"
attempts=0
while kill -0 "$1" && [ -e "$2/data/postmaster.pid" ] && [ $attempts -lt 200 ]; do
  attempts=$((attempts + 1))
  sleep 0.02
done
rm -rf "$2"
`;

/** Sees to it that a Postgres and its folder do not outlive this process. */
export function startWatchdog(folder: string, pid: number): { dismiss(): void } {
  const child = spawn("/bin/sh", ["-c", script, "rowhouse-watchdog", String(pid), folder], {
    cwd: "/",
    // A session of its own: what ends the tests must not end it first.
    detached: true,
    stdio: ["pipe", "ignore", "ignore"],
    env: { PATH: "/usr/bin:/bin" },
  });
  child.unref();
  // A Unix socket, whatever the type says: it must not keep this process either.
  const input = child.stdin as unknown as Socket;
  input.unref();
  // Nobody reads where there is no shell, or the watchdog was killed; the next start sweeps then.
  input.on("error", () => {});
  child.on("error", () => {});
  return { dismiss: () => void input.end("dismissed\n") };
}
