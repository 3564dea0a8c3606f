import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";

export interface TargetProcess {
  readonly child: ChildProcess;
  readonly address: string;
  /** `kill -9`, and waits for the end. */
  kill(): Promise<void>;
}

/** Starts the server of `target-program.ts` as a process of its own, on the port or a free one. */
export async function startTargetProcess(file: string, port = 0): Promise<TargetProcess> {
  const program = fileURLToPath(new URL("target-program.ts", import.meta.url));
  const child = spawn(process.execPath, [program, String(port), file], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const [chunk] = (await once(child.stdout, "data")) as [Buffer];
  return {
    child,
    address: `127.0.0.1:${chunk.toString().trim()}`,
    kill: async () => {
      if (child.exitCode !== null || child.signalCode !== null) return;
      const exited = once(child, "exit");
      child.kill("SIGKILL");
      await exited;
    },
  };
}
