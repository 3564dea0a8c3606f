import { createServer } from "node:net";
import type { TestProject } from "vitest/node";
import { startThrowawayPostgres } from "./throwaway-postgres.ts";

declare module "vitest" {
  interface ProvidedContext {
    /** A Postgres of this test run; user `postgres`, no password, loopback only. */
    postgres: { host: string; port: number };
  }
}

/** Starts one real Postgres for the whole test run; each test file makes its own database in it. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const port = await freePort();
  const server = await startThrowawayPostgres({
    name: "rowhouse-test-postgres-",
    port,
    settings: {
      port,
      unix_socket_directories: "",
      listen_addresses: "127.0.0.1",
      fsync: "off",
      max_connections: 500,
      wal_level: "logical",
      max_replication_slots: 50,
      max_wal_senders: 50,
    },
    stopSignal: "SIGINT",
  });
  project.provide("postgres", { host: "127.0.0.1", port });
  return () => server.stop();
}

export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  return port;
}
