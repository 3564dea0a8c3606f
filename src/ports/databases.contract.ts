import type pg from "pg";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type ConnectOptions, connect } from "../postgres/connect.ts";
import { quoteIdentifier, quoteLiteral } from "../postgres/identifier.ts";
import type { DatabaseCredentials, Databases } from "./databases.ts";

/** What every engine of a region's database servers must do. `zones` are two of the region's. */
export function databasesContract(
  name: string,
  make: () => Promise<{
    readonly databases: Databases;
    readonly zones: readonly [string, string];
    dispose(): Promise<void>;
  }>,
): void {
  describe(`${name}: databases`, () => {
    const server = "contract";
    const notFound = expect.objectContaining({ code: "E_NOT_FOUND" });
    let databases: Databases;
    let zones: readonly [string, string];
    let dispose: () => Promise<void>;

    /** Runs `work` on one connection to the server. */
    async function using<T>(
      options: Partial<ConnectOptions> & { readonly as?: DatabaseCredentials },
      work: (client: pg.Client) => Promise<T>,
    ): Promise<T> {
      const client = await connect({
        endpoint: await databases.endpoint(server),
        credentials: options.as ?? (await databases.administrator(server)),
        database: "postgres",
        applicationName: "contract",
        ...options,
      });
      return work(client).finally(() => client.end());
    }

    beforeAll(async () => {
      ({ databases, zones, dispose } = await make());
      await databases.create({ name: server, zones });
    });
    afterAll(() => dispose());

    test("has the server once it is created, in both zones, with nothing that the standby lacks", async () => {
      const found = await databases.describe(server);
      expect(found).toMatchObject({
        name: server,
        status: "available",
        primary: { status: "running" },
        standby: { status: "running" },
      });
      expect([found?.primary?.zone, found?.standby?.zone].toSorted()).toEqual(zones.toSorted());
      await expect.poll(async () => (await databases.describe(server))?.standby?.lagBytes).toBe(0);
      expect((await databases.list()).map((listed) => listed.name)).toEqual([server]);
    });

    test("makes the same server once, however often it is asked for", async () => {
      await using({}, (client) => client.query("CREATE TABLE made_once (id int)"));
      const before = await databases.endpoint(server);
      await Promise.all([
        databases.create({ name: server, zones }),
        databases.create({ name: server, zones }),
      ]);
      expect(await databases.endpoint(server)).toBe(before);
      await using({}, (client) => client.query("SELECT * FROM made_once"));
    });

    test("lets the administrator make a role and a database that the role works in, and no one in without password", async () => {
      const tenant = { user: "t_contract", password: "pass'word\\1" };
      await using({}, async (client) => {
        await client.query(`CREATE ROLE ${tenant.user} LOGIN PASSWORD ${quoteLiteral(tenant.password)}`);
        await client.query(`GRANT ${tenant.user} TO CURRENT_USER`);
        await client.query(`CREATE DATABASE t_contract OWNER ${quoteIdentifier(tenant.user)}`);
      });
      const answer = await using({ as: tenant, database: "t_contract" }, async (client) => {
        await client.query("CREATE TABLE notes (text text)");
        await client.query("INSERT INTO notes VALUES ('größer 🏠')");
        return client.query("SELECT text FROM notes");
      });
      expect(answer.rows).toEqual([{ text: "größer 🏠" }]);
      const wrong = using({ as: { ...tenant, password: "wrong" }, database: "t_contract" }, async () => {});
      await expect(wrong).rejects.toMatchObject({ code: "28P01" });
      const asAdministrator = { ...(await databases.administrator(server)), password: "" };
      await expect(using({ as: asAdministrator }, async () => {})).rejects.toThrow();
    });

    test("shows readers what writers wrote, and lets readers of another node write nothing", async () => {
      const written = await using({ role: "writer" }, async (client) => {
        await client.query("CREATE TABLE seen AS SELECT 42 AS answer");
        return (await client.query("SELECT pg_is_in_recovery() AS recovery")).rows[0];
      });
      expect(written).toEqual({ recovery: false });
      const read = () =>
        using({ role: "reader" }, async (client) => (await client.query("SELECT answer FROM seen")).rows);
      await expect.poll(() => read().catch(() => [])).toEqual([{ answer: 42 }]);
      await using({ role: "reader" }, async (client) => {
        const { rows } = await client.query<{ recovery: boolean }>("SELECT pg_is_in_recovery() AS recovery");
        if (rows[0]?.recovery)
          await expect(client.query("DELETE FROM seen")).rejects.toMatchObject({ code: "25006" });
      });
    });

    test("says the same server's endpoint with the same object, which connections remember things by", async () => {
      expect(await databases.endpoint(server)).toBe(await databases.endpoint(server));
    });

    test("fails over on purpose: it takes writes at once, with every row of before, and has a standby again", async () => {
      await using({}, (client) => client.query("CREATE TABLE outlives AS SELECT 1 AS id"));
      await databases.failOver(server);
      const ids = await using({}, async (client) => {
        await client.query("INSERT INTO outlives VALUES (2)");
        return (await client.query("SELECT id FROM outlives ORDER BY id")).rows;
      });
      expect(ids).toEqual([{ id: 1 }, { id: 2 }]);
      const isWhole = async () => (await databases.describe(server))?.status;
      await expect.poll(isWhole, { timeout: 30_000 }).toBe("available");
      const after = await databases.describe(server);
      expect([after?.primary?.zone, after?.standby?.zone].toSorted()).toEqual(zones.toSorted());
      await expect(databases.failOver("unknown")).rejects.toEqual(notFound);
    });

    test("knows nothing under another name", async () => {
      expect(await databases.describe("unknown")).toBeUndefined();
      await expect(databases.endpoint("unknown")).rejects.toEqual(notFound);
      await expect(databases.administrator("unknown")).rejects.toEqual(notFound);
      await databases.delete("unknown");
    });

    test.each(["", "../other", "a/b", "Upper", "1st", "a".repeat(64)])(
      "makes no server named %j",
      async (bad) => {
        await expect(databases.create({ name: bad, zones })).rejects.toMatchObject({ code: "E_ARGUMENT" });
        expect((await databases.list()).map((found) => found.name)).toEqual([server]);
      },
    );

    test("deletes a server with all its data, and makes an empty one under the same name", async () => {
      await databases.delete(server);
      await databases.delete(server);
      expect(await databases.describe(server)).toBeUndefined();
      await expect(databases.endpoint(server)).rejects.toEqual(notFound);
      expect(await databases.list()).toEqual([]);
      await databases.create({ name: server, zones });
      const { rows } = await using({}, (client) =>
        client.query(
          "SELECT datname FROM pg_database WHERE datname LIKE 't\\_%' OR to_regclass('seen') IS NOT NULL",
        ),
      );
      expect(rows).toEqual([]);
    });
  });
}
