import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { freePort } from "../../../test/support/postgres-server.ts";
import { startThrowawayPostgres, type ThrowawayPostgres } from "../../../test/support/throwaway-postgres.ts";
import { WriterPool } from "../pool.ts";
import { ChangeStream } from "./change-stream.ts";
import { connectForReplication, createSlot, dropSlot, slotFault } from "./slot.ts";
import type { Source } from "./source.ts";

describe("a slot that the server refuses", () => {
  let server: ThrowawayPostgres;
  let source: Source;

  beforeAll(async () => {
    const port = await freePort();
    server = await startThrowawayPostgres({
      name: "rowhouse-slot-",
      port,
      settings: {
        ...{ port, listen_addresses: "127.0.0.1", unix_socket_directories: "", fsync: "off" },
        ...{ wal_level: "logical", max_replication_slots: 1, max_slot_wal_keep_size: "1MB" },
      },
      stopSignal: "SIGQUIT",
    });
    const connection = {
      endpoint: { nodes: [{ host: "127.0.0.1", port }] },
      database: "postgres",
      credentials: { user: "postgres", password: "" },
      applicationName: "test",
    };
    source = { pool: new WriterPool(connection), connection, schema: "public", name: "moved" };
  });
  afterAll(async () => {
    await source.pool.end();
    await server.stop();
  });
  beforeEach(async () => {
    for (const name of ["moved", "other"]) await dropSlot(source.pool, name);
  });

  async function makeSlot(name: string): Promise<void> {
    const replication = await connectForReplication(source);
    await createSlot(replication, { ...source, name }).finally(() => replication.end());
  }

  /** What becomes of reading the slot. */
  const streamed = async () => {
    const replication = await connectForReplication(source);
    const stream = new ChangeStream(replication, source, 0n);
    try {
      for (;;) {
        stream.read();
        await stream.untilReadable();
      }
    } catch (error) {
      return slotFault(error);
    } finally {
      await stream.close();
    }
  };

  test("because it has no more is told by the setting's name", async () => {
    await makeSlot("other");
    await expect(makeSlot("moved")).rejects.toMatchObject({
      code: "E_DATABASE_BUSY",
      reason: expect.stringContaining("max_replication_slots"),
    });
  });

  test("because it has given the changes up is told by the setting's name", async () => {
    await makeSlot("moved");
    const status = async () => {
      for (const statement of [
        "SELECT pg_logical_emit_message(false, 'fill', 'x')",
        "SELECT pg_switch_wal()",
        "CHECKPOINT",
      ])
        await source.pool.query(statement);
      const { rows } = await source.pool.query<{ status: string }>(
        "SELECT wal_status AS status FROM pg_replication_slots WHERE slot_name = 'moved'",
      );
      return rows[0]?.status;
    };
    await expect.poll(status).toBe("lost");
    expect(await streamed()).toMatchObject({
      code: "E_MOVE_FAILED",
      reason: expect.stringContaining("max_slot_wal_keep_size"),
    });
  });

  test("because it is gone is told as such", async () => {
    expect(await streamed()).toMatchObject({
      code: "E_MOVE_FAILED",
      reason: expect.stringContaining("no slot"),
    });
  });
});
