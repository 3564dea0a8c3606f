import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fault } from "../../../src/core/error.ts";
import type { Databases } from "../../../src/ports/databases.ts";
import { generatePassword } from "../../../src/postgres/scram.ts";
import { freePort } from "../postgres-server.ts";
import { createRdsPostgres } from "./rds-postgres.ts";
import { createTestAuthority } from "./test-authority.ts";

/** A Postgres as RDS gives it, under every server name and without an emulator: its administrator is no superuser. */
export async function startRdsServer(): Promise<{ readonly databases: Databases; stop(): Promise<void> }> {
  const folder = await mkdtemp(join(tmpdir(), "rowhouse-test-authority-"));
  const authority = await createTestAuthority(folder);
  const administrator = { user: "rowhouse", password: generatePassword() };
  const postgres = await createRdsPostgres({ administrator, ...(await authority.issue("localhost")) });
  const port = await freePort();
  await postgres.start({ host: "127.0.0.1", port });
  const host = "localhost";
  const endpoint = { nodes: [{ host, port }], certificateAuthority: authority.pem };
  const primary = { host, port, zone: "a", status: "running" } as const;
  const describe = async (name: string) => ({ name, status: "available", primary, standby: null }) as const;
  return {
    databases: {
      create: async () => {},
      endpoint: async () => endpoint,
      administrator: async () => administrator,
      describe,
      list: async () => [await describe("shared-1")],
      failOver: async () => {
        throw fault("E_STANDBY_BEHIND");
      },
      delete: async () => {},
    },
    stop: async () => {
      await postgres.remove();
      await rm(folder, { recursive: true, force: true });
    },
  };
}
