import { Kysely, PostgresDialect } from "kysely";
import type pg from "pg";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createTestRegion, type TestRegion } from "../../../test/support/region.ts";
import { createTenantRuntime, type TenantRuntime } from "../runtime.ts";
import type { Tenant } from "../tenant.ts";

let region: TestRegion;
let runtime: TenantRuntime;

beforeAll(async () => {
  region = await createTestRegion();
  for (const slug of ["acme", "beta"]) await region.addTenant({ slug });
  for (const slug of ["dense-a", "dense-b", "dense-c"]) await region.addTenant({ slug, plan: "dense" });
  await region.addTenant({ slug: "big", isolation: "database" });
  runtime = await startRuntime();
});

afterAll(async () => {
  await runtime?.stop();
  await region?.dispose();
});

function startRuntime(connections = 60): Promise<TenantRuntime> {
  return createTenantRuntime({
    platform: region.platform,
    regionPool: region.control.pool,
    regionConnection: region.connection,
    config: { ...region.config, connectionsPerInstance: connections },
    identity: { instanceId: "i-1", zone: "a", region: "eu-west-1", release: "r1" },
    logSink: () => {},
  });
}

const titles = async (db: Pick<Tenant["db"], "query">) =>
  (await db.query<{ title: string }>("SELECT title FROM books ORDER BY title")).rows.map(
    ({ title }) => title,
  );

describe.each(["acme", "dense-a", "big"])("the database of %s", (slug) => {
  let tenant: Tenant;
  beforeAll(async () => {
    tenant = await runtime.resolve(slug);
  });

  it("takes a query in all of pg.Pool's forms", async () => {
    const { db } = tenant;
    expect((await db.query("SELECT $1::int AS n", [1])).rows).toEqual([{ n: 1 }]);
    expect((await db.query({ text: "SELECT $1::int AS n", values: [2] })).rows).toEqual([{ n: 2 }]);
    expect((await db.query({ text: "SELECT $1::int AS n" }, [3])).rows).toEqual([{ n: 3 }]);
    expect((await db.query<number[]>({ text: "SELECT 1 AS n, 2 AS m", rowMode: "array" })).rows).toEqual([
      [1, 2],
    ]);
    const upper = { getTypeParser: () => (value: string) => `<${value}>` } as unknown as pg.CustomTypesConfig;
    expect((await db.query({ text: "SELECT 1 AS n", types: upper })).rows).toEqual([{ n: "<1>" }]);
    const twice = [1, 2].map((value) =>
      db.query({ name: "mine", text: "SELECT $1::int AS n", values: [value] }),
    );
    expect((await Promise.all(twice)).map(({ rows }) => rows[0])).toEqual([{ n: 1 }, { n: 2 }]);
    expect(await db.query("SELECT 1 AS n; SELECT 2 AS n")).toMatchObject([
      { rows: [{ n: 1 }] },
      { rows: [{ n: 2 }] },
    ]);
    await expect(db.query("SELEKT")).rejects.toMatchObject({ code: "42601" });
    await expect(
      db.query("SELECT $1::text", [
        {
          toPostgres: () => {
            throw new Error("no");
          },
        },
      ]),
    ).rejects.toThrow("no");
    expect((await db.query("SELECT $1::int AS n", [1])).rows).toEqual([{ n: 1 }]);
  });

  it("sees its own rows alone", async () => {
    expect(await titles(tenant.db)).toContain(slug);
    const others = await tenant.db.query(
      "SELECT nspname FROM pg_namespace WHERE has_schema_privilege(oid, 'USAGE') AND nspname ~ '^t_'",
    );
    expect(others.rows.length).toBe(slug === "big" ? 0 : 1);
    await expect(tenant.db.query("CREATE TABLE mine (id int)")).rejects.toMatchObject({ code: "42501" });
  });

  it("commits a transaction, and rolls back one that throws", async () => {
    await tenant.db.transaction(async (client) => {
      await client.query("INSERT INTO books (title) VALUES ($1)", ["kept"]);
    });
    await expect(
      tenant.db.transaction(async (client) => {
        await client.query("INSERT INTO books (title) VALUES ($1)", ["lost"]);
        throw new Error("on purpose");
      }),
    ).rejects.toThrow("on purpose");
    expect(await titles(tenant.db)).toContain("kept");
    expect(await titles(tenant.db)).not.toContain("lost");
  });

  it("says so when a transaction could not commit because a statement in it had failed", async () => {
    const work = tenant.db.transaction(async (client) => {
      await client.query("INSERT INTO books (title) VALUES ('half')");
      await client.query("SELECT 1/0").catch(() => {});
    });
    await expect(work).rejects.toThrow(/rolled back/);
    expect(await titles(tenant.db)).not.toContain("half");
  });

  it("rolls back what a client left open at its release", async () => {
    const client = await tenant.db.connect();
    await client.query("BEGIN");
    await client.query("INSERT INTO books (title) VALUES ('forgotten')");
    client.release();
    expect(() => client.release()).toThrow(/already been released/);
    await expect(client.query("SELECT 1")).rejects.toMatchObject({ code: "E_ARGUMENT" });
    await tenant.db.query("BEGIN");
    expect(await titles(tenant.db)).not.toContain("forgotten");
    const states = await region.tenantsDatabase.pool.query(
      "SELECT 1 FROM pg_stat_activity WHERE application_name = 'rowhouse i-1' AND state LIKE 'idle in transaction%'",
    );
    expect(states.rowCount).toBe(0);
  });

  it("keeps a session usable after an error inside a savepoint", async () => {
    await tenant.db.transaction(async (client) => {
      await client.query("SAVEPOINT a");
      await expect(client.query("SELECT 1/0")).rejects.toMatchObject({ code: "22012" });
      await client.query("ROLLBACK TO SAVEPOINT a");
      expect(await titles(client)).toContain(slug);
    });
  });

  it("serves Kysely", async () => {
    const db = new Kysely<{ books: { id: number; title: string } }>({
      dialect: new PostgresDialect({ pool: tenant.db as never }),
    });
    await db
      .insertInto("books")
      .values({ title: "by kysely" } as never)
      .execute();
    const found = await db.selectFrom("books").selectAll().where("title", "=", "by kysely").execute();
    expect(found).toHaveLength(1);
    await db.transaction().execute(async (trx) => {
      await trx.deleteFrom("books").where("title", "=", "by kysely").execute();
    });
    await db.destroy();
    expect(await titles(tenant.db)).not.toContain("by kysely");
  });

  it("reads from the replica, which is the writer where there is no standby", async () => {
    expect(await titles(tenant.db.replica)).toContain(slug);
  });

  it("repeats a query once when its connection was ended while idle", async () => {
    await tenant.db.query("SELECT 1");
    await region.tenantsDatabase.pool.query(
      "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'rowhouse i-1'",
    );
    const results = await Promise.all(Array.from({ length: 5 }, () => titles(tenant.db)));
    for (const result of results) expect(result).toContain(slug);
    await region.tenantsDatabase.pool.query(
      "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'rowhouse i-1'",
    );
    await tenant.db.transaction(async (client) => expect(await titles(client)).toContain(slug));
  });

  it("re-prepares a statement whose plan no longer fits the table", async () => {
    const alter = async (sql: string) => {
      const location = await region.control.pool.query<{ schema: string; database: string }>(
        "SELECT schema, database FROM data_locations WHERE slug = $1",
        [slug],
      );
      const { schema, database } = location.rows[0]!;
      if (database !== region.tenantsDatabase.name) return false;
      await region.tenantsDatabase.pool.query(sql.replace("books", `"${schema}".books`));
      return true;
    };
    const select = () => tenant.db.query("SELECT * FROM books WHERE title = $1", [slug]);
    for (let i = 0; i < 3; i++) await select();
    if (!(await alter("ALTER TABLE books ADD COLUMN extra int DEFAULT 7"))) return;
    expect((await select()).rows).toMatchObject([{ extra: 7 }]);
    for (let i = 0; i < 3; i++) await select();
    await alter("ALTER TABLE books DROP COLUMN extra");
    expect((await select()).rows[0]).not.toHaveProperty("extra");
  });

  it("prepares a text with parameters from its second use on", async () => {
    const text = "SELECT title FROM books WHERE title = $1 AND 'prepared' = 'prepared'";
    for (let i = 0; i < 3; i++) await tenant.db.query(text, [slug]);
    const prepared = await tenant.db.query("SELECT name FROM pg_prepared_statements WHERE statement = $1", [
      text,
    ]);
    expect(prepared.rowCount).toBe(1);
  });

  it("survives a DEALLOCATE of its prepared statements", async () => {
    const text = "SELECT title FROM books WHERE title = $1";
    for (let i = 0; i < 3; i++) await tenant.db.query(text, [slug]);
    const client = await tenant.db.connect();
    await client.query("DEALLOCATE ALL");
    client.release();
    expect((await tenant.db.query(text, [slug])).rows).toEqual([{ title: slug }]);
    expect((await tenant.db.query(text, [slug])).rows).toEqual([{ title: slug }]);
  });
});
