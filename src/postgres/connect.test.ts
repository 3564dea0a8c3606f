import { createServer, type Socket } from "node:net";
import { afterAll, beforeAll, expect, test } from "vitest";
import { createTestDatabase, type TestDatabase } from "../../test/support/database.ts";
import { freePort } from "../../test/support/postgres-server.ts";
import type { DatabaseNode } from "../ports/databases.ts";
import { type ConnectOptions, connect } from "./connect.ts";

const host = "127.0.0.1";
let database: TestDatabase;
const sockets = new Set<Socket>();
/** Takes connections and says nothing, as a node does whose processes are stopped. */
const silent = createServer((socket) => void sockets.add(socket));
let silentNode: DatabaseNode;

beforeAll(async () => {
  database = await createTestDatabase();
  const port = await freePort();
  await new Promise<void>((resolve) => silent.listen(port, host, resolve));
  silentNode = { host, port };
});
afterAll(async () => {
  for (const socket of sockets) socket.destroy();
  silent.close();
  await database.drop();
});

const options = (nodes: DatabaseNode[], more: Partial<ConnectOptions> = {}): ConnectOptions => ({
  endpoint: { nodes },
  database: database.name,
  credentials: { user: "postgres", password: "" },
  applicationName: "connect test",
  // Far more than a test has time for: nobody may wait for it.
  connectTimeoutMilliseconds: 600_000,
  ...more,
});

test.each(["writer", "reader"] as const)("a %s gets past a node that hangs", async (role) => {
  const client = await connect(options([silentNode, database], { role }));
  expect((await client.query("SELECT inet_server_port() AS port")).rows).toEqual([{ port: database.port }]);
  await client.end();
});

test("tells at once when no node takes connections, and tells a refused login as Postgres does", async () => {
  const nobody = { host, port: await freePort() };
  await expect(connect(options([nobody, nobody]))).rejects.toMatchObject({
    code: "E_DATABASE_UNAVAILABLE",
    cause: { code: "ECONNREFUSED" },
  });
  const refused = connect(options([database, silentNode], { database: "there_is_none" }));
  await expect(refused).rejects.toMatchObject({ code: "3D000" });
});

test("gives a node up that hangs for as long as a connection may take", async () => {
  const hurried = options([silentNode], { connectTimeoutMilliseconds: 50 });
  await expect(connect(hurried)).rejects.toMatchObject({ code: "E_DATABASE_UNAVAILABLE" });
});

test("asks a node again that ended the session while it started, and once only", async () => {
  const login = await createTestDatabase();
  const query = (sql: string) => login.pool.query(sql);
  await query("CREATE SEQUENCE logins; CREATE TABLE ends (last bigint); INSERT INTO ends VALUES (1)");
  await query(`CREATE FUNCTION end_first() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN
    IF nextval('logins') <= (SELECT last FROM ends) THEN PERFORM pg_terminate_backend(pg_backend_pid()); END IF;
  END $$`);
  await query("CREATE EVENT TRIGGER end_first ON login EXECUTE FUNCTION end_first()");
  try {
    const target = options([login], { database: login.name });
    const client = await connect(target);
    expect((await client.query("SELECT last_value AS logins FROM logins")).rows).toEqual([{ logins: "2" }]);
    await client.query("UPDATE ends SET last = 1000");
    await expect(connect(target)).rejects.toMatchObject({
      code: "E_DATABASE_UNAVAILABLE",
      cause: { code: "57P01" },
    });
    await client.query("DROP EVENT TRIGGER end_first");
    await client.end();
  } finally {
    await login.drop();
  }
});
