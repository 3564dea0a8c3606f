import { randomUUID } from "node:crypto";
import pg from "pg";
import { inject } from "vitest";
import { WriterPool } from "../../src/postgres/pool.ts";

export interface TestDatabase {
  readonly name: string;
  readonly pool: WriterPool;
  readonly host: string;
  readonly port: number;
  drop(): Promise<void>;
}

/** A fresh database on the test run's Postgres, for one test file. */
export async function createTestDatabase(): Promise<TestDatabase> {
  const { host, port } = inject("postgres");
  const name = `test_${randomUUID().replaceAll("-", "")}`;
  await administer(`CREATE DATABASE ${name}`);
  const pool = new WriterPool({
    endpoint: { nodes: [{ host, port }] },
    database: name,
    credentials: { user: "postgres", password: "" },
    applicationName: "test",
  });
  return {
    name,
    pool,
    host,
    port,
    drop: async () => {
      await pool.end();
      await administer(`DROP DATABASE ${name} WITH (FORCE)`);
    },
  };
}

async function administer(sql: string): Promise<void> {
  const client = new pg.Client({ ...inject("postgres"), user: "postgres", database: "postgres" });
  await client.connect();
  await client.query(sql).finally(() => client.end());
}

/** How an engine of its own connects to it. */
export function connectionTo({ host, port, name }: TestDatabase) {
  return {
    endpoint: { nodes: [{ host, port }] },
    database: name,
    credentials: { user: "postgres", password: "" },
  };
}
