import { spawn } from "node:child_process";
import { randomInt } from "node:crypto";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { Redis } from "ioredis";

/** The bus of a cluster listens this much above the node's own port. */
const busOffset = 10_000;

/** One process of a cache cluster. */
export interface CacheNode {
  /** As the cluster knows it: 40 hexadecimal digits. */
  readonly id: string;
  readonly port: number;
  /** Neither killed nor frozen. */
  isUp(): boolean;
  /** Sends it a command, over a connection of the test's own. */
  call<T = unknown>(command: string, ...args: (string | number)[]): Promise<T>;
  /** `kill -9`. */
  kill(): Promise<void>;
  /** Stops it in the middle of whatever it does; connections stay open. */
  freeze(): void;
  thaw(): void;
  /** Kills it and removes its folder. */
  stop(): Promise<void>;
}

/** Files of a node that is spoken to in TLS, as `localhost`, by whoever trusts the authority. */
export interface CacheNodeTls {
  readonly authority: string;
  readonly authorityFile: string;
  readonly certificateFile: string;
  readonly keyFile: string;
}

/** A node of no cluster yet. It keeps nothing on disk but who it knows. */
export async function startCacheNode(tls?: CacheNodeTls): Promise<CacheNode> {
  const folder = await mkdtemp(join(tmpdir(), "rowhouse-test-cache-"));
  const port = await freeNodePort();
  const settings = {
    ...(tls ? tlsSettings(port, tls) : { port }),
    bind: "127.0.0.1",
    dir: folder,
    save: "",
    appendonly: "no",
    daemonize: "no",
    "cluster-enabled": "yes",
    "cluster-config-file": "nodes.conf",
    "cluster-node-timeout": 2000,
    // As in ElastiCache's parameter group: one lost shard does not stop the others.
    "cluster-require-full-coverage": "no",
    "cluster-allow-replica-migration": "no",
    "repl-diskless-sync": "yes",
    "repl-diskless-sync-delay": 0,
    maxmemory: "64mb",
    "maxmemory-policy": "volatile-lru",
  };
  const server = spawn(
    "redis-server",
    Object.entries(settings).flatMap(([k, v]) => [`--${k}`, String(v)]),
    {
      stdio: "ignore",
    },
  );
  const exited = once(server, "exit");
  const connection = new Redis({
    host: "127.0.0.1",
    port,
    ...(tls && { tls: { ca: tls.authority, servername: "localhost" } }),
    retryStrategy: () => 20,
    maxRetriesPerRequest: null,
  });
  connection.on("error", () => {});
  let isFrozen = false;
  const isRunning = () => server.exitCode === null && server.signalCode === null;
  const kill = async () => {
    connection.disconnect();
    server.kill("SIGKILL");
    await exited;
  };
  await untilAnswering(connection, isRunning);
  return {
    id: (await connection.call("CLUSTER", "MYID")) as string,
    port,
    isUp: () => isRunning() && !isFrozen,
    call: async <T>(command: string, ...args: (string | number)[]) =>
      (await connection.call(command, ...args)) as T,
    kill,
    freeze: () => {
      isFrozen = server.kill("SIGSTOP");
    },
    thaw: () => {
      isFrozen = !server.kill("SIGCONT");
    },
    stop: async () => {
      await kill();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/** As ElastiCache sets nodes with encryption in transit: they are known by names, for which their certificates are. */
function tlsSettings(port: number, tls: CacheNodeTls) {
  return {
    port: 0,
    "tls-port": port,
    "tls-cluster": "yes",
    "tls-replication": "yes",
    "tls-auth-clients": "no",
    "tls-ca-cert-file": tls.authorityFile,
    "tls-cert-file": tls.certificateFile,
    "tls-key-file": tls.keyFile,
    "cluster-announce-hostname": "localhost",
    "cluster-preferred-endpoint-type": "hostname",
  };
}

async function untilAnswering(connection: Redis, isRunning: () => boolean): Promise<void> {
  for (const deadline = Date.now() + 20_000; connection.status !== "ready"; await sleep(20)) {
    if (!isRunning()) throw new Error("redis-server ended before it listened");
    if (Date.now() > deadline) throw new Error("redis-server does not listen");
  }
}

/** A port that is free together with the one of its bus. */
async function freeNodePort(): Promise<number> {
  for (;;) {
    const port = 20_000 + randomInt(12_000);
    if ((await isFree(port)) && (await isFree(port + busOffset))) return port;
  }
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer()
      .once("error", () => resolve(false))
      .listen(port, "127.0.0.1", () => server.close(() => resolve(true)));
  });
}
