import { createHash } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type pg from "pg";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startRdsServer } from "../../../test/support/aws/rds-server.ts";
import { createTestDatabase, type TestDatabase } from "../../../test/support/database.ts";
import { oneServer } from "../../../test/support/one-server.ts";
import { orderMigrations } from "../../core/migration/plan.ts";
import type { Isolation } from "../../core/tenant/tenant.ts";
import { createKeys } from "../../embedded/keys.ts";
import { createSystemRandom } from "../../node/clock.ts";
import type { Databases } from "../../ports/databases.ts";
import { connect } from "../../postgres/connect.ts";
import { applyMigrations, readMigrations } from "../../postgres/migrate.ts";
import { Administration } from "./administration.ts";
import { Locations, type StoredLocation } from "./locations.ts";
import { TenantData } from "./tenant-data.ts";

const sql = (file: string, text: string) => ({
  file,
  sql: text,
  sha256: createHash("sha256").update(text).digest("hex"),
});

const migrations = orderMigrations([
  sql("0001_books.sql", "CREATE TABLE books (id serial PRIMARY KEY, title text)"),
  sql("0002_function.sql", "CREATE FUNCTION shout(t text) RETURNS text LANGUAGE sql RETURN upper(t)"),
]);

/** A superuser is what the embedded family has; RDS's administrator may less, and the same statements must do. */
const kinds = [
  { administrator: "a superuser", start: async () => ({ databases: oneServer(), stop: async () => {} }) },
  { administrator: "RDS's administrator", start: startRdsServer },
];

describe.each(kinds)("tenant data, made by $administrator", ({ start }) => {
  let databases: Databases;
  let stop: () => Promise<void>;
  let administration: Administration;
  let region: TestDatabase;
  let folder: string;
  let locations: Locations;
  let tenantData: TenantData;
  const made: StoredLocation[] = [];

  beforeAll(async () => {
    ({ databases, stop } = await start());
    administration = new Administration(databases);
    region = await createTestDatabase();
    folder = await mkdtemp(join(tmpdir(), "rowhouse-tenant-data-"));
    const random = createSystemRandom();
    const keys = await createKeys({ file: join(folder, "keys.json"), random });
    await region.pool.use(async (client) => {
      const files = await readMigrations(new URL("../sql/region/", import.meta.url));
      await applyMigrations(client, files, { ledgerSchema: "public", ledgerTable: "migrations" });
    });
    locations = new Locations({ pool: region.pool, keys, random });
    tenantData = new TenantData({
      databases,
      administration,
      locations,
      keys,
      regionPool: region.pool,
      zones: ["a", "b"],
    });
    await tenantData.prepareSharedServer("shared-1");
  });

  afterAll(async () => {
    for (const location of made) await tenantData.drop(location);
    await administration.close();
    await region.drop();
    await stop();
    await rm(folder, { recursive: true, force: true });
  });

  async function make(slug: string, isolation: Isolation): Promise<StoredLocation> {
    const server = isolation === "server" ? null : "shared-1";
    const location = await locations.allocate({ slug, isolation, server, migrations: "m" });
    made.push(location);
    await tenantData.create(location, "own");
    await tenantData.migrate(location, migrations);
    return location;
  }

  async function asApp<T>(
    location: StoredLocation,
    work: (client: pg.Client) => Promise<T>,
    database?: string,
  ): Promise<T> {
    const client = await connect({
      endpoint: await databases.endpoint(location.server),
      database: database ?? location.database,
      credentials: {
        user: location.appRole,
        password: await locations.openPassword(location.appRole, location.appPassword),
      },
      applicationName: "test",
    });
    return work(client).finally(() => client.end());
  }

  it("makes and removes many schemas at once", async () => {
    const slugs = Array.from({ length: 16 }, (_, index) => `many-${index}`);
    const wish = { isolation: "schema", server: "shared-1", migrations: "m" } as const;
    const wanted = await Promise.all(slugs.map((slug) => locations.allocate({ ...wish, slug })));
    await Promise.all(wanted.map((location) => tenantData.create(location, "own")));
    await Promise.all(wanted.map((location) => tenantData.drop(location)));
    const left = await Promise.all(slugs.map((slug) => locations.find(slug)));
    expect(left.every((location) => location === undefined)).toBe(true);
  });

  for (const isolation of ["schema", "database", "server"] as const) {
    it(`${isolation}: the app role reads and writes rows, and nothing else`, async () => {
      const location = await make(`one-${isolation}`, isolation);
      const administrator = await databases.administrator(location.server);
      await asApp(location, async (client) => {
        await client.query("INSERT INTO books (title) VALUES ('Emma')");
        const { rows } = await client.query("SELECT shout(title) AS title FROM books");
        expect(rows).toEqual([{ title: "EMMA" }]);
        for (const forbidden of [
          "CREATE TABLE mine (id int)",
          "CREATE TEMP TABLE mine (id int)",
          "CREATE SCHEMA mine",
          "DROP TABLE books",
          "ALTER TABLE books ADD COLUMN x int",
          "TRUNCATE books",
          "CREATE ROLE intruder",
          `SET ROLE ${location.ownerRole}`,
          `SET ROLE ${administrator.user}`,
          "DELETE FROM rowhouse_migrations",
          "SELECT pg_read_file('postgresql.conf')",
          "COPY books TO '/tmp/books'",
        ]) {
          await expect(client.query(forbidden), forbidden).rejects.toMatchObject({ code: "42501" });
        }
      });
    });
  }

  it("lets no tenant see another's rows, schema or database", async () => {
    const first = await make("first", "schema");
    const second = await make("second", "schema");
    const third = await make("third", "database");
    await asApp(first, (client) => client.query("INSERT INTO books (title) VALUES ('Persuasion')"));
    await asApp(second, async (client) => {
      expect((await client.query("SELECT * FROM books")).rows).toEqual([]);
      await expect(client.query(`SELECT * FROM ${first.schema}.books`)).rejects.toMatchObject({
        code: "42501",
      });
    });
    const enter = (location: StoredLocation, database: string) => asApp(location, async () => {}, database);
    await expect(enter(second, third.database)).rejects.toMatchObject({ code: "42501" });
    await expect(enter(third, "tenants")).rejects.toMatchObject({ code: "42501" });
    await expect(enter(third, "postgres")).rejects.toMatchObject({ code: "42501" });
  });

  it("orders text in the same way on every server", async () => {
    for (const isolation of ["schema", "database"] as const) {
      const location = await make(`order-${isolation}`, isolation);
      await asApp(location, async (client) => {
        const { rows } = await client.query(
          `SELECT datlocprovider AS provider, datlocale AS locale, datcollate AS collate
           FROM pg_database WHERE datname = current_database()`,
        );
        expect(rows).toEqual([{ provider: "b", locale: "C.UTF-8", collate: "C" }]);
        const sorted = await client.query("SELECT t FROM unnest(ARRAY['b', 'B', 'ä', 'a']) AS t ORDER BY t");
        expect(sorted.rows.map((row) => row.t)).toEqual(["B", "a", "b", "ä"]);
        expect((await client.query("SELECT upper('ä') AS upper")).rows).toEqual([{ upper: "Ä" }]);
      });
    }
  });

  it("keeps no password in clear", async () => {
    await make("secret", "schema");
    const { rows } = await region.pool.query<{ app_role: string; app_password: string }>(
      "SELECT app_role, app_password FROM data_locations WHERE slug = 'secret'",
    );
    const password = await locations.openPassword(rows[0]!.app_role, rows[0]!.app_password);
    expect(password).toHaveLength(43);
    expect(JSON.stringify(rows)).not.toContain(password);
  });

  it("prepares a shared server again and again, and lets its shared login be one tenant at a time", async () => {
    await Promise.all([
      tenantData.prepareSharedServer("shared-1"),
      tenantData.prepareSharedServer("shared-1"),
    ]);
    const location = await make("dense", "schema");
    await tenantData.create(location, "shared");
    await tenantData.create(location, "shared");
    const { rows } = await region.pool.query<{ role: string; password: string }>(
      "SELECT role, password FROM shared_logins",
    );
    const { role: user, password: sealed } = rows[0]!;
    const client = await connect({
      endpoint: await databases.endpoint("shared-1"),
      database: location.database,
      credentials: { user, password: await locations.openPassword(user, sealed) },
      applicationName: "test",
    });
    try {
      const count = `SELECT count(*)::int AS count FROM ${location.schema}.books`;
      await expect(client.query(count)).rejects.toMatchObject({ code: "42501" });
      await client.query(`SET ROLE ${location.appRole}`);
      expect((await client.query(count)).rows).toEqual([{ count: 0 }]);
      await expect(client.query(`SET ROLE ${location.ownerRole}`)).rejects.toMatchObject({ code: "42501" });
    } finally {
      await client.end();
    }
  });

  it("can be begun again after any interruption, and dropped half-made", async () => {
    const location = await make("again", "database");
    await tenantData.create(location, "own");
    await tenantData.create({ ...location, ready: false }, "own");
    expect(await tenantData.migrate({ ...location, ready: false, schemaVersion: 0 }, migrations)).toBe(2);
    const half = await locations.allocate({
      slug: "half",
      isolation: "database",
      server: "shared-1",
      migrations: "m",
    });
    await tenantData.drop(half);
    await tenantData.drop(half);
    expect(await locations.find("half")).toBeUndefined();
  });

  it("leaves no role and no database behind", async () => {
    const location = await make("gone", "database");
    await asApp(location, async () => tenantData.drop(location));
    const pool = await administration.pool("shared-1", "postgres");
    expect(
      (await pool.query("SELECT FROM pg_database WHERE datname = $1", [location.database])).rowCount,
    ).toBe(0);
    const roles = await pool.query("SELECT FROM pg_roles WHERE rolname = ANY($1)", [
      [location.ownerRole, location.appRole],
    ]);
    expect(roles.rowCount).toBe(0);
  });

  it("names the file, line and SQLSTATE of a migration that fails, and keeps what came before it", async () => {
    const location = await locations.allocate({
      slug: "bad",
      isolation: "schema",
      server: "shared-1",
      migrations: "m",
    });
    made.push(location);
    await tenantData.create(location, "own");
    const broken = orderMigrations([...migrations, sql("0003_broken.sql", "SELECT 1;\nSELECT nonsense;")]);
    await expect(tenantData.migrate(location, broken)).rejects.toThrow(
      'The migration 0003_broken.sql, line 2 failed: column "nonsense" does not exist (SQLSTATE 42703).',
    );
    await asApp(location, async (client) => {
      const { rows } = await client.query("SELECT max(number) AS number FROM rowhouse_migrations");
      expect(rows).toEqual([{ number: 2 }]);
    });
  });

  it("hands out a fitting spare once, and none of another release", async () => {
    const spare = await locations.insert({
      slug: null,
      isolation: "database",
      server: "shared-1",
      migrations: "m",
    });
    const unready = { isolation: "database", server: "shared-1", migrations: "m" } as const;
    expect(await locations.spares(unready)).toMatchObject({ fitting: 0, leftOver: [{ id: spare.id }] });
    await tenantData.create(spare, "own");
    await tenantData.migrate(spare, migrations);
    const other = await locations.allocate({ ...unready, slug: "other-release", migrations: "n" });
    const taken = await Promise.all(["a1", "a2"].map((slug) => locations.allocate({ ...unready, slug })));
    made.push(other, ...taken);
    expect(other.id).not.toBe(spare.id);
    expect(taken.filter((location) => location.id === spare.id)).toHaveLength(1);
    expect(new Set(taken.map((location) => location.id)).size).toBe(2);
  });
});
