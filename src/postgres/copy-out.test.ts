import { buffer, text } from "node:stream/consumers";
import type pg from "pg";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createTestDatabase, type TestDatabase } from "../../test/support/database.ts";
import { CopyOut } from "./copy-out.ts";

describe("a COPY as a stream", () => {
  let database: TestDatabase;
  beforeAll(async () => {
    database = await createTestDatabase();
  });
  afterAll(() => database.drop());
  const using = <T>(work: (client: pg.Client) => Promise<T>): Promise<T> => database.pool.use(work);

  it("gives rows of any size whole and in order, and the connection back", async () => {
    await using(async (client) => {
      const sizes = Array.from(
        { length: 3000 },
        (_, index) => (index * 7919) % (index % 50 === 0 ? 200_000 : 300),
      );
      const query = `SELECT n, repeat(chr(97 + (n % 26)::int), size) FROM unnest('{${sizes}}'::int[]) WITH ORDINALITY AS s(size, n)`;
      const copy = client.query(new CopyOut(`COPY (${query}) TO STDOUT`));
      const expected = sizes
        .map((size, index) => `${index + 1}\t${String.fromCharCode(97 + ((index + 1) % 26)).repeat(size)}\n`)
        .join("");
      expect((await text(copy)) === expected).toBe(true);
      expect(copy.rowCount).toBe(3000);
      expect((await client.query("SELECT 1 AS one")).rows).toEqual([{ one: 1 }]);
    });
  });

  it("waits for who reads it", async () => {
    await using(async (client) => {
      const copy = client.query(
        new CopyOut("COPY (SELECT repeat('x', 1000) FROM generate_series(1, 50000)) TO STDOUT"),
      );
      let bytes = 0;
      for await (const chunk of copy as AsyncIterable<Buffer>) {
        bytes += chunk.length;
        expect(copy.readableLength).toBeLessThan(1_000_000);
        await new Promise((resolve) => setImmediate(resolve));
      }
      expect(bytes).toBe(50_000 * 1001);
    });
  });

  it("passes on notices, and fails with the statement, at its begin or in its midst", async () => {
    await using(async (client) => {
      await client.query(`CREATE FUNCTION note(n bigint) RETURNS bigint LANGUAGE plpgsql AS $$
        BEGIN RAISE NOTICE 'row %', n; RETURN 10 / (4 - n); END $$`);
      const notices: (string | undefined)[] = [];
      client.on("notice", ({ message }) => notices.push(message));
      await expect(
        buffer(client.query(new CopyOut("COPY (SELECT note(n) FROM generate_series(1, 9) AS n) TO STDOUT"))),
      ).rejects.toMatchObject({ code: "22012" });
      expect(notices).toEqual(["row 1", "row 2", "row 3", "row 4"]);
      await expect(buffer(client.query(new CopyOut("COPY no_such_table TO STDOUT")))).rejects.toMatchObject({
        code: "42P01",
      });
      expect((await client.query("SELECT 2 AS two")).rows).toEqual([{ two: 2 }]);
    });
  });

  it("fails when the connection breaks", async () => {
    const broken = using(async (client) => {
      const { rows } = await client.query<{ pid: number }>("SELECT pg_backend_pid() AS pid");
      const copy = client.query(new CopyOut("COPY (SELECT generate_series(1, 1000000000)) TO STDOUT"));
      await new Promise((resolve) => copy.once("readable", resolve));
      await database.pool.query("SELECT pg_terminate_backend($1)", [rows[0]!.pid]);
      for await (const chunk of copy) expect(chunk.length).toBeGreaterThan(0);
    });
    await expect(broken).rejects.toThrow();
  });
});
