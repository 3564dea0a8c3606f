import type pg from "pg";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startRdsServer } from "../../../test/support/aws/rds-server.ts";
import { connect } from "../../postgres/connect.ts";
import { createSlot, dropSlot, listSlots } from "../../postgres/logical/slot.ts";
import { admitMover, dismissMover } from "../../postgres/logical/target.ts";
import { WriterPool } from "../../postgres/pool.ts";

type Server = Awaited<ReturnType<typeof startRdsServer>>;

/** A move decodes changes as the administrator, and writes them as the owner of a schema. */
describe("an administrator who is no superuser", () => {
  const owner = { user: "acme_owner", password: "of-the-owner" };
  const refused = expect.objectContaining({ code: "42501" });
  let server: Server;
  let administrator: Awaited<ReturnType<typeof connection>>;
  let client: pg.Client;

  async function connection(credentials?: typeof owner) {
    return {
      endpoint: await server.databases.endpoint("shared-1"),
      database: "postgres",
      credentials: credentials ?? (await server.databases.administrator("shared-1")),
      applicationName: "test",
    };
  }

  beforeAll(async () => {
    server = await startRdsServer();
    administrator = await connection();
    client = await connect(administrator);
    await client.query(`CREATE ROLE ${owner.user} LOGIN PASSWORD '${owner.password}'`);
  }, 60_000);
  afterAll(async () => {
    await client.end();
    await server.stop();
  });

  it("makes, finds and drops slots for logical decoding", async () => {
    const pool = new WriterPool({ ...administrator, max: 1 });
    const replication = await connect({ ...administrator, replication: true });
    const source = { name: "rowhouse_test", pool } as Parameters<typeof createSlot>[1];
    try {
      const { snapshot } = await createSlot(replication, source);
      expect(snapshot).toMatch(/^[0-9A-F-]+$/);
      expect(await listSlots(pool, "rowhouse_")).toEqual([source.name]);
      await replication.end();
      await dropSlot(pool, source.name);
      expect(await listSlots(pool, "rowhouse_")).toEqual([]);
    } finally {
      await replication.end();
      await pool.end();
    }
  });

  it("may write as a replica, and lets an owner do so for as long as a move takes", async () => {
    await client.query("BEGIN; SET LOCAL session_replication_role = replica; ROLLBACK");
    const asOwner = await connect(await connection(owner));
    const write = () => asOwner.query("SET session_replication_role = replica");
    try {
      await expect(write()).rejects.toEqual(refused);
      await admitMover(client, owner.user, "1");
      await write();
      await asOwner.query("RESET session_replication_role");
      await dismissMover(client, owner.user, "1");
      await expect(write()).rejects.toEqual(refused);
    } finally {
      await asOwner.end();
    }
  });

  it("can't become a superuser by it, nor copy the whole server", async () => {
    await expect(client.query("CREATE ROLE other SUPERUSER")).rejects.toEqual(refused);
    await expect(client.query("SET log_statement = 'all'")).rejects.toEqual(refused);
    await expect(client.query("SELECT pg_backup_start('x')")).rejects.toEqual(refused);
  });
});
