import { spawn } from "node:child_process";
import { chown, mkdtemp, open, rm } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import pg from "pg";
import type { TestProject } from "vitest/node";
import { findPostgres } from "../../src/embedded/postgres/binaries.ts";

declare module "vitest" {
  interface ProvidedContext {
    /** A Postgres of this test run; user `postgres`, no password, loopback only. */
    postgres: { host: string; port: number };
  }
}

/** Starts one real Postgres for the whole test run; each test file makes its own database in it. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const { bin, user } = await findPostgres();
  const folder = await mkdtemp(join(tmpdir(), "rowhouse-test-postgres-"));
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
  const port = await freePort();
  const settings = {
    port,
    unix_socket_directories: "",
    listen_addresses: "127.0.0.1",
    fsync: "off",
    max_connections: 500,
    wal_level: "logical",
    max_replication_slots: 50,
    max_wal_senders: 50,
  };
  const server = run("postgres", [
    "-D",
    data,
    ...Object.entries(settings).flatMap(([k, v]) => ["-c", `${k}=${v}`]),
  ]);
  const exited = new Promise((resolve) => server.once("exit", resolve));
  await waitUntilReady(port);
  project.provide("postgres", { host: "127.0.0.1", port });
  return async () => {
    server.kill("SIGINT");
    await exited;
    await directory.close();
    await rm(folder, { recursive: true, force: true });
  };
}

export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  return port;
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
