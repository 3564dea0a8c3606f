import { afterAll, beforeAll, expect, it } from "vitest";
import { startRdsServer } from "../../test/support/aws/rds-server.ts";
import type { DatabaseCredentials, Databases } from "../ports/databases.ts";
import { connect } from "./connect.ts";
import { controlDatabaseConnection, ensureControlDatabase, type LoginStore } from "./control-database.ts";

let databases: Databases;
let stop: () => Promise<void>;
beforeAll(async () => {
  ({ databases, stop } = await startRdsServer());
});
afterAll(() => stop());

function memoryLogin(): LoginStore {
  let kept: DatabaseCredentials | undefined;
  return {
    read: async () => kept,
    write: async (login) => {
      kept = login;
    },
  };
}

it("is made, by an administrator who is no superuser, for its own role alone", async () => {
  const where = { server: "shared-1", database: "rowhouse_region", login: memoryLogin() };
  await expect(controlDatabaseConnection(databases, where, "test")).rejects.toMatchObject({
    code: "E_NOT_RUNNING",
  });
  await ensureControlDatabase(databases, where);
  await ensureControlDatabase(databases, where);
  const client = await connect(await controlDatabaseConnection(databases, where, "test"));
  await client.query("CREATE TABLE kept AS SELECT 1 AS id");
  await expect(client.query("CREATE ROLE other")).rejects.toMatchObject({ code: "42501" });
  await expect(client.query("CREATE DATABASE other")).rejects.toMatchObject({ code: "42501" });
  await client.end();
});

it("goes on where the making of it broke off", async () => {
  const where = { server: "shared-1", database: "rowhouse_half", login: memoryLogin() };
  await ensureControlDatabase(databases, where);
  const administrator = await connect({
    endpoint: await databases.endpoint(where.server),
    credentials: await databases.administrator(where.server),
    database: "postgres",
    applicationName: "test",
  });
  await administrator.query("DROP DATABASE rowhouse_half");
  await administrator.query("REVOKE rowhouse_half FROM CURRENT_USER");
  await administrator.end();
  await ensureControlDatabase(databases, where);
  await (await connect(await controlDatabaseConnection(databases, where, "test"))).end();
});
