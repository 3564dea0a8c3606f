import { spawn } from "node:child_process";
import { chown, mkdtemp, open, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import pg from "pg";
import { findPostgres } from "../../src/embedded/postgres/binaries.ts";

export interface ThrowawayPostgres {
  readonly pid: number;
  /** Removes its data too. */
  stop(): Promise<void>;
}

/** A real Postgres on loopback, whose user `postgres` needs no password. Its data goes away with it. */
export async function startThrowawayPostgres(options: {
  /** Begins its data folder's name. */
  readonly name: string;
  readonly port: number;
  /** Writes files into the data folder before the start. */
  readonly configure?: (dataFolder: string) => Promise<void>;
  /** By name, on the command line: stronger than files. */
  readonly settings?: Readonly<Record<string, string | number>>;
  readonly stopSignal: "SIGINT" | "SIGQUIT";
}): Promise<ThrowawayPostgres> {
  const { name, port, configure, settings = {}, stopSignal } = options;
  const { bin, user } = await findPostgres();
  const folder = await mkdtemp(join(tmpdir(), name));
  if (user !== undefined) await chown(folder, user, user);
  const directory = await open(folder);
  const data = process.platform === "linux" ? "/proc/self/fd/3" : folder;
  const run = (program: string, args: string[]) =>
    spawn(join(bin, program), args, {
      cwd: "/",
      stdio: ["ignore", "ignore", "ignore", directory.fd],
      env: { LANG: "C" },
      ...(user === undefined ? {} : { uid: user, gid: user }),
    });
  const initdb = run("initdb", [
    "-D",
    data,
    "-U",
    "postgres",
    "-A",
    "trust",
    "--no-sync",
    "-E",
    "UTF8",
    "--locale=C",
  ]);
  await new Promise((resolve, reject) => initdb.once("exit", resolve).once("error", reject));
  await configure?.(folder);
  const server = run("postgres", [
    "-D",
    data,
    ...Object.entries(settings).flatMap(([setting, value]) => ["-c", `${setting}=${value}`]),
  ]);
  const exited = new Promise((resolve) => server.once("exit", resolve));
  await waitUntilReady(port);
  return {
    pid: server.pid ?? 0,
    async stop() {
      server.kill(stopSignal);
      await exited;
      await directory.close();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

async function waitUntilReady(port: number): Promise<void> {
  for (const deadline = Date.now() + 20_000; ; await sleep(50)) {
    const client = new pg.Client({ host: "127.0.0.1", port, user: "postgres", database: "postgres" });
    try {
      await client.connect();
      return;
    } catch (error) {
      if (Date.now() > deadline) throw error;
    } finally {
      await client.end().catch(() => {});
    }
  }
}
