import { afterAll, beforeAll, expect, test } from "vitest";
import { createTestDatabase, type TestDatabase } from "../../test/support/database.ts";
import { freePort } from "../../test/support/postgres-server.ts";
import { WriterPgPool } from "./pg-pool.ts";

let database: TestDatabase;
beforeAll(async () => {
  database = await createTestDatabase();
});
afterAll(() => database.drop());

const open = (nodes: { host: string; port: number }[]) =>
  new WriterPgPool({
    endpoint: { nodes },
    database: database.name,
    credentials: { user: "postgres", password: "" },
    applicationName: "pg-pool test",
    max: 2,
  });
const prepared = "SELECT statement FROM pg_prepared_statements ORDER BY statement";

test("connects to the node that answers as the writer", async () => {
  const { host, port } = database;
  const pool = open([
    { host, port: await freePort() },
    { host, port },
  ]);
  expect((await pool.query("SELECT inet_server_port() AS port")).rows).toEqual([{ port }]);
  const client = await pool.connect();
  expect((await client.query("SELECT $1::text AS text", ["a"])).rows).toEqual([{ text: "a" }]);
  client.release();
  await pool.end();
});

test("says as Postgres does that no node can be reached", async () => {
  const pool = open([{ host: "127.0.0.1", port: await freePort() }]);
  await expect(pool.query("SELECT 1")).rejects.toMatchObject({ code: "08001" });
  await pool.end();
});

test("prepares what has parameters, once per connection", async () => {
  const pool = open([database]);
  const client = await pool.connect();
  for (const n of [1, 2, 3]) {
    expect((await client.query("SELECT $1::integer AS n", [n])).rows).toEqual([{ n }]);
  }
  await client.query("SELECT 1");
  expect((await client.query(prepared)).rows).toEqual([{ statement: "SELECT $1::integer AS n" }]);
  client.release();
  await pool.end();
});

test("replaces a connection that broke while it was idle", async () => {
  const pool = open([database]);
  const pid = async () => (await pool.query("SELECT pg_backend_pid() AS pid")).rows[0].pid;
  const first = await pid();
  await database.pool.query("SELECT pg_terminate_backend($1)", [first]);
  await expect.poll(() => pool.totalCount).toBe(0);
  expect(await pid()).not.toBe(first);
  await pool.end();
});

test("lets those stand still who ask after the end", async () => {
  const pool = open([database]);
  await pool.end();
  let settled = false;
  void pool.connect().finally(() => {
    settled = true;
  });
  void pool.query("SELECT 1").finally(() => {
    settled = true;
  });
  await new Promise((resolve) => setImmediate(resolve));
  expect(settled).toBe(false);
});

test("a connection that breaks while somebody has it fails at its next statement, and is replaced", async () => {
  const pool = open([database]);
  const client = await pool.connect();
  const { rows } = await client.query<{ pid: number }>("SELECT pg_backend_pid() AS pid");
  // Without a listener of its own this error would end the process.
  const broken = new Promise((resolve) => client.once("end", resolve));
  await database.pool.query("SELECT pg_terminate_backend($1)", [rows[0]?.pid]);
  await broken;
  await expect(client.query("SELECT 1")).rejects.toThrow();
  client.release();
  expect((await pool.query("SELECT 1 AS one")).rows).toEqual([{ one: 1 }]);
  await pool.end();
});
