import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { open, readFile } from "node:fs/promises";
import { createServer } from "node:net";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { PostgresBinaries } from "../embedded/postgres/binaries.ts";
import { renderAuthentication, renderConfiguration } from "../embedded/postgres/configuration.ts";
import { postgresFault, withDataDirectory, writeDataFile } from "../embedded/postgres/data-folder.ts";
import { lockFileLines } from "../embedded/postgres/strays.ts";
import type { DatabaseEndpoint } from "../ports/databases.ts";
import { dataFolderOf } from "./folders.ts";
import { startWatchdog } from "./watchdog.ts";

const host = "127.0.0.1";
const pollMilliseconds = 3;
const portAttempts = 5;

const ownSettings = [
  // What is lost in a crash need not outlive it: there is no test to go on afterwards.
  ...["fsync=off", "full_page_writes=off", "synchronous_commit=off"],
  ...["wal_level=minimal", "max_wal_senders=0", "min_wal_size=2MB"],
  // Inside the data folder, which is removed whatever happens.
  "dynamic_shared_memory_type=mmap",
].flatMap((setting) => ["-c", setting]);

/** A Postgres for this process's tests. */
export interface TestPostgres {
  readonly endpoint: DatabaseEndpoint;
  /** Shuts it down in order; the folder is left whole. */
  stop(): Promise<void>;
}

/** Gives a data folder the settings that a region's servers have. */
export async function writeSettings(dataFolder: string, binaries: PostgresBinaries): Promise<void> {
  const configuration = renderConfiguration({
    title: "rowhouse testing",
    size: "dedicated",
    host,
    // Each start names its own.
    port: 1,
    role: { kind: "primary", waitsFor: null },
  });
  await writeDataFile(join(dataFolder, "postgresql.conf"), configuration, binaries.user);
  await writeDataFile(join(dataFolder, "pg_hba.conf"), renderAuthentication(host), binaries.user);
}

/**
 * Starts a Postgres on the data folder in `folder`, at a random port of the loopback. It does not keep this process
 * alive, and ends with it, however that ends; `folder` is gone then too.
 * @throws E_INTERNAL with what Postgres said
 */
export async function startPostgres(folder: string, binaries: PostgresBinaries): Promise<TestPostgres> {
  for (let attempt = 1; ; attempt++) {
    const port = await freePort();
    const child = await spawnPostgres(folder, port, binaries);
    const watchdog = startWatchdog(folder, child.pid ?? 0);
    const ended = once(child, "exit");
    void ended.then(() => watchdog.dismiss());
    if (await isReady(child, dataFolderOf(folder))) {
      child.unref();
      return {
        endpoint: { nodes: [{ host, port }] },
        stop: async () => {
          child.ref();
          child.kill("SIGINT");
          await ended;
        },
      };
    }
    const complaints = await readFile(logFile(folder), "utf8");
    // Another program took the port between the look and the start.
    const isPortTaken = /could not create any TCP|could not bind/.test(complaints);
    if (!isPortTaken || attempt === portAttempts) throw postgresFault("postgres", complaints);
  }
}

async function spawnPostgres(
  folder: string,
  port: number,
  binaries: PostgresBinaries,
): Promise<ChildProcess> {
  const log = await open(logFile(folder), "w", 0o600);
  try {
    return await withDataDirectory(dataFolderOf(folder), binaries, async (directory) => {
      const args = ["-D", directory.argument, "-p", String(port), ...ownSettings];
      const child = spawn(join(binaries.bin, "postgres"), args, {
        cwd: "/",
        // Ctrl-C is for the tests alone; Postgres ends after them.
        detached: true,
        stdio: [
          "ignore",
          log.fd,
          log.fd,
          ...(directory.descriptor === undefined ? [] : [directory.descriptor]),
        ],
        env: { LANG: "C" },
        ...(binaries.user === undefined ? {} : { uid: binaries.user, gid: binaries.user }),
      });
      await once(child, "spawn");
      return child;
    });
  } finally {
    await log.close();
  }
}

/** False when it ended instead. */
async function isReady(child: ChildProcess, dataFolder: string): Promise<boolean> {
  while (child.exitCode === null && child.signalCode === null) {
    const lines = await lockFileLines(dataFolder);
    if (lines[0] === String(child.pid) && lines[7] === "ready") return true;
    await sleep(pollMilliseconds);
  }
  return false;
}

function logFile(folder: string): string {
  return join(folder, "postgres.log");
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, host);
  await once(server, "listening");
  const { port } = server.address() as { port: number };
  server.close();
  await once(server, "close");
  return port;
}
