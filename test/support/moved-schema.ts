import { randomUUID } from "node:crypto";
import pg from "pg";
import { quoteIdentifier } from "../../src/postgres/identifier.ts";
import type { Source } from "../../src/postgres/logical/source.ts";
import { admitMover, type Target } from "../../src/postgres/logical/target.ts";
import { tableChecksums } from "../../src/postgres/table-checksum.ts";
import { connectionTo, createTestDatabase, type TestDatabase } from "./database.ts";

/** One structure in two schemas, of which the second is to become a copy of the first. */
export interface MovedSchema {
  readonly source: Source;
  readonly target: Target;
  /** As the administrator, in the schema. */
  readonly original: pg.Client;
  readonly copy: pg.Client;
  /** Row count and checksum of each table on both sides. */
  compare(): Promise<{ readonly original: unknown; readonly copy: unknown }>;
  dispose(): Promise<void>;
}

/** Runs `sql` as an owner in each of two schemas: of two databases, or of one with `together`. */
export async function createMovedSchema(sql: string, together = false): Promise<MovedSchema> {
  const first = await createTestDatabase();
  const second = together ? first : await createTestDatabase();
  const id = randomUUID().replaceAll("-", "").slice(0, 12);
  const original = await prepare(first, `src_${id}`, sql);
  const copy = await prepare(second, `dst_${id}`, sql);
  await admitMover(copy, `dst_${id}`, id);
  const source: Source = {
    pool: first.pool,
    connection: { ...connectionTo(first), applicationName: "test" },
    schema: `src_${id}`,
    name: `rowhouse_move_${id}`,
  };
  const target: Target = {
    connection: {
      ...connectionTo(second),
      credentials: { user: `dst_${id}`, password: "" },
      applicationName: "test",
    },
    schema: `dst_${id}`,
    id,
  };
  return {
    source,
    target,
    original,
    copy,
    compare: async () => ({
      original: Object.fromEntries(await tableChecksums(original, source.schema)),
      copy: Object.fromEntries(await tableChecksums(copy, target.schema)),
    }),
    dispose: async () => {
      await original.query(
        "SELECT pg_terminate_backend(active_pid, 5000) FROM pg_replication_slots WHERE slot_name = $1",
        [source.name],
      );
      await original.query(
        "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE slot_name = $1",
        [source.name],
      );
      await Promise.all([original.end(), copy.end()]);
      await dropWithRole(first, `src_${id}`, together ? `dst_${id}` : undefined);
      if (!together) await dropWithRole(second, `dst_${id}`);
    },
  };
}

async function prepare(database: TestDatabase, name: string, sql: string): Promise<pg.Client> {
  const client = new pg.Client({
    host: database.host,
    port: database.port,
    database: database.name,
    user: "postgres",
  });
  await client.connect();
  const quoted = quoteIdentifier(name);
  await client.query(`CREATE ROLE ${quoted} LOGIN NOSUPERUSER NOINHERIT;
    CREATE SCHEMA ${quoted} AUTHORIZATION ${quoted};
    SET ROLE ${quoted}; SET search_path = ${quoted}`);
  await client.query(sql);
  await client.query("RESET ROLE");
  return client;
}

async function dropWithRole(database: TestDatabase, ...roles: (string | undefined)[]): Promise<void> {
  await database.drop();
  const client = new pg.Client({
    host: database.host,
    port: database.port,
    database: "postgres",
    user: "postgres",
  });
  await client.connect();
  for (const role of roles) if (role) await client.query(`DROP ROLE ${quoteIdentifier(role)}`);
  await client.end();
}
