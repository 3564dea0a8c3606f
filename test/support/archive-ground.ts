import { randomUUID } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import pg from "pg";
import { inject } from "vitest";
import { archiveInFile, type DataAddress } from "../../src/control/archive/archive.ts";
import { ledgerTable } from "../../src/control/tenant-data/migrator.ts";
import type { ArchivedTenant } from "../../src/core/archive/manifest.ts";
import type { Migration } from "../../src/core/migration/plan.ts";
import { createKeys } from "../../src/embedded/keys.ts";
import { createObjects, type FileObjects } from "../../src/embedded/objects.ts";
import { ensureSigningKey } from "../../src/embedded/signing-key.ts";
import { createSystemClock, createSystemRandom } from "../../src/node/clock.ts";
import type { Keys } from "../../src/ports/keys.ts";
import { quoteIdentifier } from "../../src/postgres/identifier.ts";
import { applyMigrations } from "../../src/postgres/migrate.ts";
import { createTestDatabase, type TestDatabase } from "./database.ts";

/** A place for a tenant's rows, as the control plane makes it: an owner that is no administrator, and its schema. */
export interface TestLocation {
  readonly address: DataAddress;
  readonly owner: string;
  /** The server's administrator in the location's database. */
  readonly client: pg.Client;
  /** The owner, with the schema as search path. */
  query(sql: string, parameters?: unknown[]): Promise<pg.QueryResult>;
  migrate(migrations: readonly Migration[]): Promise<void>;
}

export interface ArchiveGround {
  readonly folder: string;
  readonly objects: FileObjects;
  readonly keys: Keys;
  readonly otherKeys: Keys;
  location(isolation: "schema" | "database"): Promise<TestLocation>;
  file(name: string): ReturnType<typeof archiveInFile>;
  dispose(): Promise<void>;
}

export const archivedTenant: ArchivedTenant = {
  slug: "acme",
  name: 'Acme "Ünïcode" Ltd.\n',
  administratorEmail: "anna@acme.example",
  settings: { theme: "dark", nested: { list: [1, null, "x"] } },
  plan: "starter",
  region: "eu-west-1",
  isolation: "schema",
};

/** Locations, objects and keys for archives, on the test run's Postgres. */
export async function createArchiveGround(): Promise<ArchiveGround> {
  const folder = await mkdtemp(join(tmpdir(), "rowhouse-archive-test-"));
  const [clock, random] = [createSystemClock(), createSystemRandom()];
  const keys = await createKeys({ file: join(folder, "keys.json"), random });
  const otherKeys = await createKeys({ file: join(folder, "other-keys.json"), random });
  const signingKey = await ensureSigningKey(keys, join(folder, "signing-key.json"));
  const objects = await createObjects({ folder: join(folder, "objects"), signingKey, clock });
  const shared = await createTestDatabase();
  const databases: TestDatabase[] = [shared];
  const clients: pg.Client[] = [];
  const owners: string[] = [];
  return {
    folder,
    objects,
    keys,
    otherKeys,
    async location(isolation) {
      const owner = `t_${randomUUID().replaceAll("-", "").slice(0, 16)}_owner`;
      const database = isolation === "schema" ? shared : await createTestDatabase();
      if (database !== shared) databases.push(database);
      const schema = isolation === "schema" ? owner.replace("_owner", "") : "public";
      const client = await connectTo(database, "postgres");
      clients.push(client);
      await client.query(`CREATE ROLE ${owner} LOGIN NOINHERIT`);
      owners.push(owner);
      if (isolation === "schema") await client.query(`CREATE SCHEMA ${schema} AUTHORIZATION ${owner}`);
      else await client.query(`ALTER SCHEMA public OWNER TO ${owner}`);
      const own = await connectTo(database, owner);
      clients.push(own);
      await own.query(`SET search_path = ${quoteIdentifier(schema)}`);
      const { host, port } = database;
      return {
        owner,
        client,
        address: {
          endpoint: { nodes: [{ host, port }] },
          credentials: { user: "postgres", password: "" },
          database: database.name,
          schema,
        },
        query: (sql, parameters = []) => own.query(sql, parameters),
        migrate: async (migrations) => {
          await applyMigrations(own, migrations, { ledgerSchema: schema, ledgerTable });
        },
      };
    },
    file: (name) => archiveInFile(join(folder, name)),
    async dispose() {
      await objects.close();
      await Promise.all(clients.map((client) => client.end()));
      for (const database of databases.toReversed()) await database.drop();
      const administrator = new pg.Client({ ...inject("postgres"), user: "postgres", database: "postgres" });
      await administrator.connect();
      await administrator.query(`DROP ROLE ${owners.join(", ")}`).finally(() => administrator.end());
      await rm(folder, { recursive: true, force: true });
    },
  };
}

async function connectTo({ host, port, name }: TestDatabase, user: string): Promise<pg.Client> {
  const client = new pg.Client({ host, port, database: name, user });
  client.on("error", () => {});
  await client.connect();
  return client;
}

/** A schema with what is hard to copy, and rows that a migration inserted. */
export const hardSchema = `
  CREATE TYPE mood AS ENUM ('sad', 'it''s "ok"', 'glad');
  CREATE DOMAIN positive AS integer CHECK (VALUE > 0);
  CREATE TYPE pair AS (a integer, b text);
  CREATE TABLE every (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    txt text, chars varchar(40), fixed char(5), flag boolean, small smallint, number numeric, scaled numeric(12,3),
    single real, dbl double precision, bytes bytea, ts timestamp, tstz timestamptz, day date, clock time, span interval,
    uid uuid, doc json, docb jsonb, texts text[], moods mood[], state mood DEFAULT 'glad', tally positive, duo pair,
    address inet, period tstzrange, words tsvector, spot point, bits bit varying, price money, data xml,
    cls regclass, doubled integer GENERATED ALWAYS AS (small * 2) STORED,
    shown text GENERATED ALWAYS AS (txt || '!') VIRTUAL);
  CREATE TABLE "Mixed ""Case"" Täble/.." ("Col umn" text, "ä" integer, "tab	bed" text);
  CREATE TABLE keyed (a integer, b text, c text, PRIMARY KEY (b, a));
  CREATE TABLE author (id serial PRIMARY KEY, best integer);
  CREATE TABLE work (id serial PRIMARY KEY, author integer NOT NULL REFERENCES author, before integer REFERENCES work);
  ALTER TABLE author ADD FOREIGN KEY (best) REFERENCES work DEFERRABLE INITIALLY DEFERRED;
  CREATE TABLE measure (state mood, at date NOT NULL, value integer) PARTITION BY LIST (state);
  CREATE TABLE measure_sad PARTITION OF measure FOR VALUES IN ('sad') PARTITION BY RANGE (at);
  CREATE TABLE measure_sad_old PARTITION OF measure_sad FOR VALUES FROM (MINVALUE) TO ('2026-01-01');
  CREATE TABLE measure_sad_new PARTITION OF measure_sad FOR VALUES FROM ('2026-01-01') TO (MAXVALUE);
  CREATE TABLE measure_rest PARTITION OF measure DEFAULT;
  CREATE TABLE hashed (state mood, value integer) PARTITION BY HASH (state);
  CREATE TABLE hashed_0 PARTITION OF hashed FOR VALUES WITH (MODULUS 2, REMAINDER 0);
  CREATE TABLE hashed_1 PARTITION OF hashed FOR VALUES WITH (MODULUS 2, REMAINDER 1);
  CREATE TABLE parent (name text);
  CREATE TABLE child (extra integer) INHERITS (parent);
  CREATE TABLE empty (id integer);
  CREATE TABLE columnless ();
  CREATE TABLE computed (always integer GENERATED ALWAYS AS (7) STORED);
  CREATE TABLE wide (gone integer, kept integer);
  ALTER TABLE wide DROP COLUMN gone;
  CREATE TABLE place (slot integer, CONSTRAINT place_slot UNIQUE (slot) DEFERRABLE);
  CREATE UNLOGGED TABLE scratch (note text);
  CREATE TABLE setting (name text PRIMARY KEY, value text);
  INSERT INTO setting VALUES ('from', 'the migration');
  CREATE SEQUENCE "Counter" INCREMENT 5 START 100;
  CREATE SEQUENCE untouched;
  CREATE VIEW glad AS SELECT id, txt FROM every WHERE state = 'glad';
  CREATE MATERIALIZED VIEW first_view AS SELECT count(*) AS total FROM every;
  CREATE MATERIALIZED VIEW a_second_view AS SELECT total * 2 AS twice FROM first_view;
  CREATE MATERIALIZED VIEW later_view AS SELECT count(*) FROM every WITH NO DATA;
  CREATE INDEX every_txt ON every (lower(txt)) WHERE txt IS NOT NULL;
  CREATE TABLE journal (entry text);
  CREATE FUNCTION write_journal() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN INSERT INTO journal VALUES (TG_TABLE_NAME); RETURN NEW; END $$;
  CREATE TRIGGER every_written AFTER INSERT ON every FOR EACH ROW EXECUTE FUNCTION write_journal();
  CREATE FUNCTION adults() RETURNS bigint LANGUAGE sql BEGIN ATOMIC SELECT count(*) FROM every; END;
`;

/** Rows for it. */
export const hardRows = `
  INSERT INTO every (txt, chars, fixed, flag, small, number, scaled, single, dbl, bytes, ts, tstz, day, clock, span, uid,
    doc, docb, texts, moods, tally, duo, address, period, words, spot, bits, price, data, cls) VALUES
  ('', '', '', true, 1, 'NaN', 1.500, 'NaN', 'Infinity', '', 'infinity', '-infinity', '-infinity', '24:00', '1 year -3 days',
    '00000000-0000-0000-0000-000000000000', '{"a" :  1}', '{"b": [1.50, null]}', '{}', '{sad,"it''s \\"ok\\""}', 5, '(1,"x,y")',
    '10.0.0.0/8', '[2026-01-01,)', 'a fat cat', '(1.5,-2)', '101', 12.5, '<a>b</a>', 'every'),
  (NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL,
    NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL),
  ('\\N', 'NULL', 'null', false, -32768, 123456789012345678901234567890.123456789, -0.001, 1e-30, 0.1, '\\x00ff0a5c',
    '4713-01-01 00:00 BC', '2026-03-29 02:30:00.123456+02', '5874897-12-31', '00:00:00.000001', '-178000000 years',
    gen_random_uuid(), 'null', '"\\u00e4"', '{NULL,"","NULL","a\\\\b"}', NULL, 2147483647, '(,"")', '::1', 'empty', '', '(NaN,Infinity)', '',
    -0.01, '', 'author'),
  (E'tab\\there\\nline\\r\\nreturn\\\\back\\b\\f\\v "quotes" ''single'' , ; |', '\\.', '\\.', true, 0, 0, 0, -0.0, -0.0, '\\x',
    'epoch', 'epoch', 'epoch', '12:00', '0', gen_random_uuid(), '[]', '{}', ARRAY['a,b', '{c}'], '{glad}', 1, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL),
  ('😀 ünï 中文 ' || repeat('x', 100000), 'é', 'é', true, 7, 1e100, 1, 1, 1, decode(repeat('00ff', 50000), 'hex'), now(), now(), now(), now(), '1s',
    gen_random_uuid(), '1', '1', '{a}', '{}', 3, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL);
  INSERT INTO every (txt) SELECT 'row ' || n FROM generate_series(1, 5000) AS n;
  INSERT INTO "Mixed ""Case"" Täble/.." VALUES ('a', 1, E'x\\ty'), ('\\.', 2, ''), (NULL, NULL, NULL);
  INSERT INTO keyed VALUES (1, '', NULL), (2, '\\N', '');
  BEGIN; INSERT INTO author VALUES (DEFAULT, 1); INSERT INTO work VALUES (DEFAULT, 1, 1); COMMIT;
  INSERT INTO measure SELECT (enum_range(NULL::mood))[1 + n % 3], '2025-12-01'::date + n, n FROM generate_series(0, 99) AS n;
  INSERT INTO hashed SELECT (enum_range(NULL::mood))[1 + n % 3], n FROM generate_series(0, 29) AS n;
  INSERT INTO parent VALUES ('only parent'); INSERT INTO child VALUES ('both', 1);
  INSERT INTO columnless SELECT FROM generate_series(1, 3); INSERT INTO computed SELECT FROM generate_series(1, 4);
  INSERT INTO wide VALUES (1); INSERT INTO place VALUES (1), (2); INSERT INTO scratch VALUES ('kept too');
  UPDATE setting SET value = 'changed'; INSERT INTO setting VALUES ('more', NULL);
  SELECT nextval('"Counter"'), nextval('"Counter"');
  REFRESH MATERIALIZED VIEW first_view; REFRESH MATERIALIZED VIEW a_second_view;
`;
