import { afterEach, describe, expect, test } from "vitest";
import { createMovedSchema, type MovedSchema } from "../../../test/support/moved-schema.ts";
import { refreshViews } from "./materialized-views.ts";
import { findObstacles } from "./obstacles.ts";
import { closePublication, listRowTables, openPublication } from "./publication.ts";
import { Pump } from "./pump.ts";
import { relax, restoreRelaxed } from "./relaxations.ts";
import { dropSlot } from "./slot.ts";
import { connectToTarget } from "./target.ts";

let moved: MovedSchema;
const pumps: Pump[] = [];
afterEach(async () => {
  for (const pump of pumps.splice(0)) await pump.stop();
  await moved.dispose();
});

async function begin(sql: string, rows = "", together = false): Promise<Pump> {
  moved = await createMovedSchema(sql, together);
  await moved.original.query(rows);
  await openPublication(moved.source);
  await relaxed(relax);
  const { pump } = await Pump.copy(moved);
  pumps.push(pump);
  return pump;
}

/** As the owner, as in life. */
async function relaxed(work: typeof relax): Promise<void> {
  await moved.copy.query(`SET ROLE "${moved.target.schema}"`);
  await work({
    source: moved.original,
    sourceSchema: moved.source.schema,
    target: moved.copy,
    schema: moved.target.schema,
  });
  await moved.copy.query("RESET ROLE");
}

async function expectAlike(): Promise<void> {
  const { original, copy } = await moved.compare();
  expect(copy).toEqual(original);
}

const nasty = `
  CREATE TYPE mood AS ENUM ('sad', 'it''s ok', 'back\\slash');
  CREATE TYPE point3 AS (x int, y text, z mood);
  CREATE DOMAIN positive AS numeric CHECK (VALUE > 0);
  CREATE TABLE everything (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    "Weird ""name"" Ö" text DEFAULT 'x', b boolean, i2 smallint, i8 bigint, n numeric, f4 real, f8 double precision,
    c char(6), v varchar(20), t text, bytes bytea, d date, tm time, tz timestamptz, ts timestamp, iv interval,
    u uuid, j json, jb jsonb, x xml, ip inet, net cidr, mac macaddr, bits bit(5), vb bit varying, p point, bx box,
    ia int[], ta text[][], m mood, ma mood[], comp point3, comps point3[], dom positive, r int4range, mr nummultirange,
    ts_v tsvector, one "char", nm name, reg regclass, lsn pg_lsn, money money,
    doubled bigint GENERATED ALWAYS AS (i8 * 2) STORED, virtual bigint GENERATED ALWAYS AS (i8 * 3) VIRTUAL);
  CREATE TABLE "Sp ace" (k text COLLATE "C", l char(3), v int, PRIMARY KEY (k, l));`;

const nastyRow = `
  INSERT INTO everything ("Weird ""name"" Ö", b, i2, i8, n, f4, f8, c, v, t, bytes, d, tm, tz, ts, iv, u, j, jb, x, ip, net,
    mac, bits, vb, p, bx, ia, ta, m, ma, comp, comps, dom, r, mr, ts_v, one, nm, reg, lsn, money)
  VALUES (E'quote \\' back \\\\ tab \\t new \\n ; -- $1 $$', true, -32768, 1537228672809129301,
    '123456789012345678901234567890.0987654321000', 'NaN', '-Infinity', 'ab', 'é😀', E'\\u0001', '\\x00ff5c27',
    '4713-01-01 BC', '24:00:00', '2026-03-29 01:30:00.123456+00', 'infinity', '-1 year 2 mons -3 days 04:05:06.7',
    'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11', '{"a" :  1, "a": 2}', '{"b": "\\\\u00e9", "n": 1.000}', '<a>b</a>', '10.0.0.1/8',
    '10.0.0.0/8', '08:00:2b:01:02:03', B'10101', B'', '(1.1,-0)', '(1,2),(3,4)', '{1,NULL,3}', '{{a,"b,\\"c"},{NULL,"NULL"}}',
    'it''s ok', '{sad,"back\\\\slash"}', ROW(1, 'a"b,(c)', 'sad'), ARRAY[ROW(NULL, '', NULL)::point3], 0.00001, '[1,5)',
    '{[1.0,2.00)}', 'a:1 b:2', 'x', 'name', 'everything', '16/B374D848', -12.34)`;

describe("values", () => {
  test("of every kind arrive as they are: copied, inserted, updated, and as old rows", async () => {
    const pump = await begin(nasty, `${nastyRow}; INSERT INTO everything DEFAULT VALUES`);
    await expectAlike();
    await moved.original.query(nastyRow);
    await moved.original.query(`
      INSERT INTO everything DEFAULT VALUES;
      UPDATE everything SET f8 = 1.1::real, n = n * 10, c = 'z ', comp.y = NULL WHERE id = 1;
      UPDATE everything SET id = DEFAULT WHERE id = 2;
      INSERT INTO "Sp ace" VALUES ('a''\\', 'b', 1), ('a', 'c', 2), ('', '', 3);
      UPDATE "Sp ace" SET k = k || '"', v = 9 WHERE v < 3;
      DELETE FROM "Sp ace" WHERE v = 3;`);
    await pump.catchUp();
    await expectAlike();
    const { rows } = await moved.copy.query(
      `SELECT reg::text, doubled, virtual FROM everything WHERE id = 1`,
    );
    expect(rows).toEqual([
      { reg: "everything", doubled: "3074457345618258602", virtual: "4611686018427387903" },
    ]);
  });
});

describe("tables", () => {
  test("without a key: of rows that are alike, exactly one changes or goes", async () => {
    const pump = await begin(
      `CREATE TABLE loose (b boolean, c char(4), n numeric, j json, t text, p point);
       CREATE TABLE keyed (a int NOT NULL, b text NOT NULL, v int, UNIQUE (a, b));
       CREATE TABLE late (id int PRIMARY KEY DEFERRABLE INITIALLY DEFERRED, v int);
       CREATE TABLE bare ();`,
      `INSERT INTO loose SELECT true, 'ab', 1.0, '{"a": 1}', NULL, '(1,2)' FROM generate_series(1, 5);
       INSERT INTO loose VALUES (true, 'ab', 1.00, '{"a": 1}', NULL, '(1,2)'), (NULL, '', NULL, NULL, '', NULL);
       INSERT INTO keyed VALUES (1, 'a', 1), (1, 'b', 2); INSERT INTO late VALUES (1, 1), (2, 2);
       INSERT INTO bare DEFAULT VALUES;`,
    );
    await moved.original.query(`
      DELETE FROM loose WHERE ctid = (SELECT ctid FROM loose WHERE n::text = '1.0' LIMIT 1);
      UPDATE loose SET t = '' WHERE ctid = (SELECT ctid FROM loose WHERE n::text = '1.0' LIMIT 1);
      DELETE FROM loose WHERE n::text = '1.00';
      UPDATE loose SET c = 'x', b = false WHERE b IS NULL;
      UPDATE keyed SET a = 3 - a, v = 7 WHERE b = 'b'; DELETE FROM keyed WHERE b = 'a';
      UPDATE late SET id = 3 - id; INSERT INTO bare DEFAULT VALUES; INSERT INTO bare DEFAULT VALUES;`);
    await pump.catchUp();
    await expectAlike();
    const { rows } = await moved.copy.query(
      `SELECT count(*)::int AS count FROM "${moved.target.schema}".bare`,
    );
    expect(rows).toEqual([{ count: 3 }]);
  });

  test("that are partitioned, inherited, referred to, or emptied", async () => {
    const pump = await begin(
      `CREATE TABLE root (id int, at date, v text, PRIMARY KEY (id, at)) PARTITION BY RANGE (at);
       CREATE TABLE root_old PARTITION OF root FOR VALUES FROM ('2020-01-01') TO ('2025-01-01');
       CREATE TABLE root_new (at date NOT NULL, v text, id int NOT NULL);
       ALTER TABLE root ATTACH PARTITION root_new FOR VALUES FROM ('2025-01-01') TO ('2030-01-01');
       CREATE TABLE child (id int PRIMARY KEY, root_id int, root_at date, FOREIGN KEY (root_id, root_at) REFERENCES root);
       CREATE TABLE parent (id int PRIMARY KEY); CREATE TABLE heir (extra int, PRIMARY KEY (id)) INHERITS (parent);`,
      `INSERT INTO root SELECT i, '2024-12-01'::date + i, 'v' FROM generate_series(1, 60) AS i;
       INSERT INTO child SELECT id, id, at FROM root; INSERT INTO parent VALUES (1), (2); INSERT INTO heir VALUES (1, 5);`,
    );
    await expectAlike();
    await moved.original
      .query(`
      UPDATE root SET at = at + 31 WHERE id = 60; DELETE FROM child WHERE id < 10;
      INSERT INTO root VALUES (100, '2021-01-01', 'x'); UPDATE parent SET id = id + 10; DELETE FROM ONLY parent WHERE id = 12;`)
      .catch((error: Error) => expect(error.message).toMatch("violates foreign key"));
    await moved.original.query("DELETE FROM child WHERE id = 60; UPDATE root SET at = at + 31 WHERE id = 60");
    await moved.original.query(
      "INSERT INTO child VALUES (500, 1, '2024-12-02'); UPDATE parent SET id = id + 10",
    );
    await pump.catchUp();
    await expectAlike();
    await moved.original.query(
      "TRUNCATE root, parent CASCADE; INSERT INTO root VALUES (1, '2026-01-01', 'again')",
    );
    await pump.catchUp();
    await expectAlike();
  });

  test("with values stored out of line, and triggers that always run", async () => {
    const pump = await begin(
      `CREATE TABLE big (id text PRIMARY KEY, body text, n int);
       ALTER TABLE big ALTER body SET STORAGE EXTERNAL; ALTER TABLE big ALTER id SET STORAGE EXTERNAL;
       CREATE TABLE log (n int);
       CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN INSERT INTO log VALUES (NEW.n); RETURN NEW; END';
       CREATE TRIGGER always AFTER INSERT OR UPDATE ON big FOR EACH ROW EXECUTE FUNCTION note();
       ALTER TABLE big ENABLE ALWAYS TRIGGER always;
       CREATE TRIGGER usual AFTER INSERT ON big FOR EACH ROW EXECUTE FUNCTION note();`,
      `INSERT INTO big SELECT repeat(i::text, 2000), repeat('b', 100000 + i), i FROM generate_series(1, 9) AS i`,
    );
    await moved.original.query(`
      UPDATE big SET n = n + 100 WHERE n < 5; UPDATE big SET id = id || 'x' WHERE n = 6;
      UPDATE big SET body = body || 'y' WHERE n = 7; DELETE FROM big WHERE n = 8`);
    await pump.catchUp();
    await relaxed(restoreRelaxed);
    await expectAlike();
    const { rows } = await moved.copy.query(
      "SELECT tgname, tgenabled FROM pg_trigger WHERE NOT tgisinternal ORDER BY 1",
    );
    expect(rows).toEqual([
      { tgname: "always", tgenabled: "A" },
      { tgname: "usual", tgenabled: "O" },
    ]);
  });

  test("that are computed are filled from the copy's rows", async () => {
    const pump = await begin(
      `CREATE TABLE sales (id int PRIMARY KEY, amount int);
       CREATE MATERIALIZED VIEW total AS SELECT sum(amount)::int AS amount FROM sales;
       CREATE MATERIALIZED VIEW doubled AS SELECT amount * 2 AS amount FROM total;
       CREATE MATERIALIZED VIEW empty AS SELECT 1 AS amount FROM sales WITH NO DATA;`,
      "INSERT INTO sales VALUES (1, 5)",
    );
    await moved.original.query("INSERT INTO sales VALUES (2, 6)");
    await pump.catchUp();
    const writer = await connectToTarget(moved.target);
    const { schema } = moved.target;
    await refreshViews({ reader: moved.original, sourceSchema: moved.source.schema, writer, schema });
    const { rows } = await writer.query("SELECT t.amount, d.amount AS doubled FROM total t, doubled d");
    await writer.end();
    expect(rows).toEqual([{ amount: 11, doubled: 22 }]);
  });

  test("tell their rows as before when the publication is gone", async () => {
    moved = await createMovedSchema(`
      CREATE TABLE none (a int); CREATE TABLE uniq (a int NOT NULL UNIQUE);
      CREATE TABLE nothing (a int PRIMARY KEY); ALTER TABLE nothing REPLICA IDENTITY NOTHING;
      CREATE TABLE chosen (a int PRIMARY KEY, b int NOT NULL UNIQUE);
      ALTER TABLE chosen REPLICA IDENTITY USING INDEX chosen_b_key;`);
    const identities = async () =>
      (await listRowTables(moved.original, moved.source.schema)).map(
        ({ name, identity }) => `${name} ${identity}`,
      );
    const before = await identities();
    await openPublication(moved.source);
    await openPublication(moved.source);
    expect(await identities()).toEqual(["chosen i", "none f", "nothing i", "uniq i"]);
    await moved.original.query("INSERT INTO none VALUES (1); UPDATE none SET a = 2; DELETE FROM none");
    for (const _ of [1, 2]) await closePublication(moved.source.pool, moved.source.schema, moved.source.name);
    expect(await identities()).toEqual(before);
  });
});

test("what can't be carried is named", async () => {
  moved = await createMovedSchema(`
    CREATE UNLOGGED TABLE "Sess ions" (id int); CREATE TABLE plain (id int PRIMARY KEY);
    CREATE TABLE hidden (id int); ALTER TABLE hidden FORCE ROW LEVEL SECURITY;
    CREATE RULE loud AS ON INSERT TO plain DO ALSO NOTIFY x; ALTER TABLE plain ENABLE ALWAYS RULE loud;`);
  const { rows } = await moved.original.query<{ oid: string }>("SELECT lo_from_bytea(0, 'x')::text AS oid");
  await moved.original.query(`ALTER LARGE OBJECT ${rows[0]?.oid} OWNER TO "${moved.source.schema}"`);
  expect(await findObstacles(moved.original, moved.source.schema, [moved.source.schema])).toEqual([
    `the large object ${rows[0]?.oid}`,
    "the rule loud of plain, which runs on replicas too",
    "the table hidden, whose row security binds its owner too",
    'the unlogged table "Sess ions"',
  ]);
  expect(await findObstacles(moved.copy, moved.target.schema, [])).toHaveLength(3);
});

test("a table is told by no generated column, and named when nothing else tells it", async () => {
  moved = await createMovedSchema(`
    CREATE TABLE keyed (id int PRIMARY KEY, a int, twice int GENERATED ALWAYS AS (a * 2) STORED);
    CREATE TABLE other_key (a int, g int GENERATED ALWAYS AS (a * 2) STORED PRIMARY KEY, b int NOT NULL UNIQUE);
    CREATE TABLE loose (a int, g int GENERATED ALWAYS AS (a * 2) VIRTUAL);
    CREATE TABLE by_itself (a int, g int GENERATED ALWAYS AS (a * 2) STORED PRIMARY KEY);`);
  const { original, source } = moved;
  const because = "which has a generated column and no key of other columns to tell rows by";
  expect(await findObstacles(original, source.schema, [])).toEqual([
    `the table "by_itself", ${because}`,
    `the table "loose", ${because}`,
  ]);
  await original.query("DROP TABLE loose, by_itself");
  await openPublication(source);
  await original.query("INSERT INTO keyed VALUES (1, 1); UPDATE keyed SET a = 2; DELETE FROM keyed");
  await original.query("INSERT INTO other_key VALUES (1, DEFAULT, 1); UPDATE other_key SET a = 2");
  await closePublication(source.pool, source.schema, source.name);
});

describe("a copy under load", () => {
  const ledger = `CREATE TABLE ledger (id int PRIMARY KEY, writer int, v int DEFAULT 0);
    CREATE TABLE loose (writer int, v int); CREATE TABLE big (id int PRIMARY KEY, t text)`;
  const writes = (writer: number, i: number) => `
    INSERT INTO ledger (id, writer) VALUES (${writer * 1_000_000 + i}, ${writer});
    UPDATE ledger SET v = v + 1 WHERE id >= ${writer * 1_000_000 + i - 3} AND writer = ${writer};
    INSERT INTO loose VALUES (${writer}, ${i % 7}); DELETE FROM loose WHERE writer = ${writer} AND v = ${(i + 3) % 7};`;

  /** Writes until it is told to stop, and says how many transactions that were. */
  function write(writer: number): { stop(): Promise<number>; untilDone(count: number): Promise<void> } {
    let isStopped = false;
    let done = 0;
    const waiting: { count: number; resolve: () => void }[] = [];
    const work = (async () => {
      for (; !isStopped; done++) {
        await moved.source.pool.transaction(async (client) => {
          await client.query(`SET LOCAL search_path = "${moved.source.schema}"`);
          await client.query(writes(writer, done));
        });
        for (const waiter of waiting) if (done >= waiter.count) waiter.resolve();
      }
      return done;
    })();
    return {
      stop: () => {
        isStopped = true;
        return work;
      },
      untilDone: (count) => new Promise((resolve) => waiting.push({ count: done + count, resolve })),
    };
  }

  test.each([false, true])("is whole, in the same database: %s", async (together) => {
    moved = await createMovedSchema(ledger, together);
    await moved.original.query(
      "INSERT INTO big SELECT i, repeat('x', 200) FROM generate_series(1, 30000) AS i",
    );
    await openPublication(moved.source);
    const writers = [1, 2, 3].map(write);
    await Promise.all(writers.map((writer) => writer.untilDone(5)));
    const { pump, copied } = await Pump.copy(moved);
    pumps.push(pump);
    expect(copied.rows).toBeGreaterThanOrEqual(30_015);
    expect(copied.bytes).toBeGreaterThan(6_000_000);
    await Promise.all(writers.map((writer) => writer.untilDone(20)));
    await Promise.all(writers.map((writer) => writer.stop()));
    await pump.catchUp();
    await expectAlike();
    expect(pump.changes).toBeGreaterThan(60);
  });

  test("goes on where a pump was killed, and applies nothing twice", async () => {
    let pump = await begin(ledger);
    const writers = [1, 2].map(write);
    for (let round = 0; round < 6; round++) {
      await writers[0]?.untilDone(15);
      // Wherever it is just now: the target's connection is cut off, or the source's.
      const side = round % 2 === 0 ? moved.target.schema : "postgres";
      await moved.copy.query(
        `SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity
         WHERE usename = $1 AND (usename <> 'postgres' OR backend_type = 'walsender')`,
        [side],
      );
      await expect(pump.catchUp()).rejects.toMatchObject({ code: "E_DATABASE_UNAVAILABLE" });
      expect(pump.hasFailed).toBe(true);
      const next = await Pump.resume(moved);
      if (!next) throw new Error("There was a whole copy.");
      pumps.push(next);
      pump = next;
    }
    await Promise.all(writers.map((writer) => writer.stop()));
    await pump.catchUp();
    await expectAlike();
  });

  test("is begun anew when it never was whole, and over one that was", async () => {
    moved = await createMovedSchema(ledger);
    await moved.original.query("INSERT INTO ledger SELECT i, 0, 0 FROM generate_series(1, 100) AS i");
    await moved.copy.query("INSERT INTO ledger VALUES (7, 7, 7)");
    expect(await Pump.resume(moved)).toBeUndefined();
    await openPublication(moved.source);
    for (const _ of [1, 2]) {
      const { pump, copied } = await Pump.copy(moved);
      pumps.push(pump);
      expect(copied.rows).toBe(100);
      await expectAlike();
    }
  });

  test("stops when its slot is gone, or a row is not as it was", async () => {
    const pump = await begin(ledger, "INSERT INTO ledger VALUES (1, 1, 1), (2, 2, 2)");
    await moved.copy.query("DELETE FROM ledger WHERE id = 2");
    await moved.original.query("UPDATE ledger SET v = 5");
    await expect(pump.catchUp()).rejects.toMatchObject({ code: "E_MOVE_FAILED" });
    const next = await Pump.resume(moved);
    if (next) pumps.push(next);
    await expect(next?.catchUp()).rejects.toMatchObject({ code: "E_MOVE_FAILED" });
    await dropSlot(moved.source.pool, moved.source.name);
    const last = await Pump.resume(moved);
    if (last) pumps.push(last);
    await expect(last?.catchUp()).rejects.toThrow(/no slot for the move any more/);
  });
});
