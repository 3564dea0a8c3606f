import { describe, expect, it } from "vitest";
import { moveSteps } from "../../src/core/move/steps.ts";
import { type Home, MovePlace, type MoveWish } from "../support/move-place.ts";

interface Outcome {
  readonly kills: number;
  /** What was acknowledged between two deaths. */
  readonly written: number[];
  readonly state: string;
  readonly error: string | null;
}

/** Starts a process again and again until one comes to the end. */
async function moveThroughDeaths(place: MovePlace, wish: MoveWish): Promise<Outcome> {
  const written: number[] = [];
  for (let kills = 0; kills < 200; kills++) {
    const number = wish.attempt * 1000 + kills;
    if (await place.write(wish.slug, number)) written.push(number);
    const { signal, output } = await place.run("move", wish);
    if (signal !== "SIGKILL")
      return { kills, written, ...(JSON.parse(output) as Pick<Outcome, "state" | "error">) };
  }
  throw new Error("The move never came to an end.");
}

/** Whatever happened: one home, all that was written once, and nothing in the way of the next move. */
async function expectOneHome(place: MovePlace, slug: string, home: Omit<Home, "state">, written: number[]) {
  expect(await place.home(slug)).toEqual({ ...home, state: "active" });
  const last = (written.at(-1) ?? 0) + 500;
  expect(await place.write(slug, last)).toBe(true);
  written.push(last);
  await place.inside(slug, async (client, { schema }) => {
    const numbers = async (sql: string) =>
      (await client.query<{ number: number }>(sql)).rows.map(({ number }) => number);
    expect(await numbers("SELECT id AS number FROM entries ORDER BY id")).toEqual(written);
    expect(await numbers("SELECT id AS number FROM keyless ORDER BY id")).toEqual(written);
    expect(await numbers("SELECT v AS number FROM numbered ORDER BY id OFFSET 100")).toEqual(written);
    const { rows } = await client.query(
      `SELECT relname AS name FROM pg_class
       WHERE relkind = 'r' AND relnamespace = to_regnamespace(quote_ident($1::text)) AND relreplident <> 'd'
       UNION ALL SELECT attname FROM pg_attribute WHERE attrelid = 'numbered'::regclass AND attidentity = 'd'
       UNION ALL SELECT pubname FROM pg_publication WHERE pubname = 'rowhouse_move_' || substr($1::text, 3)
       UNION ALL SELECT slot_name FROM pg_replication_slots WHERE slot_name = 'rowhouse_move_' || substr($1::text, 3)`,
      [schema],
    );
    expect(rows).toEqual([]);
  });
  for (const [region, { pool }] of place.regions) {
    const phases = await pool.query(
      "SELECT phase FROM data_locations WHERE slug = $1 AND phase <> 'retired'",
      [slug],
    );
    expect([region, phases.rows]).toEqual([region, region === home.region ? [{ phase: "current" }] : []]);
    expect((await pool.query("SELECT FROM tenant_operations WHERE slug = $1", [slug])).rowCount).toBe(0);
    if (region !== home.region) continue;
    const { rows } = await pool.query("SELECT name, settings FROM profiles WHERE slug = $1", [slug]);
    expect(rows).toEqual([{ name: `${slug} Ltd`, settings: { colour: "red" } }]);
  }
}

const from = { region: "eu-west-1", plan: "starter" };
const places = [
  ["another region", { region: "eu-north-1", plan: "starter" }],
  ["another isolation", { region: "eu-west-1", plan: "business" }],
] as const;

describe.concurrent("a move that is killed at every step", () => {
  it.each(places)(
    "ends at %s, once",
    async (_, to) => {
      const place = await MovePlace.open();
      try {
        const wish = { slug: "wanderer", from, to, attempt: 1, fails: false };
        await place.run("make", wish);
        const outcome = await moveThroughDeaths(place, wish);
        expect(outcome).toMatchObject({ state: "completed", error: null });
        expect(outcome.kills).toBeGreaterThanOrEqual(moveSteps.length * 2 + 4);
        await expectOneHome(place, "wanderer", to, outcome.written);
      } finally {
        await place.dispose();
      }
    },
    600_000,
  );

  it.each(places)(
    "takes everything back when %s fails, and can be begun again",
    async (_, to) => {
      const place = await MovePlace.open();
      try {
        const wish = { slug: "returner", from, to, attempt: 1, fails: true };
        await place.run("make", wish);
        const outcome = await moveThroughDeaths(place, wish);
        expect(outcome).toMatchObject({ state: "failed", error: expect.stringContaining("no new home") });
        await expectOneHome(place, "returner", from, outcome.written);
        const again = await moveThroughDeaths(place, { ...wish, attempt: 2, fails: false });
        expect(again).toMatchObject({ state: "completed", error: null });
        await expectOneHome(place, "returner", to, [...outcome.written, ...again.written]);
      } finally {
        await place.dispose();
      }
    },
    600_000,
  );

  it("is taken back when a table was made while the rows were copied", async () => {
    const place = await MovePlace.open();
    try {
      const to = { region: "eu-north-1", plan: "starter" };
      const wish = { slug: "builder", from, to, attempt: 1, fails: false };
      await place.run("make", wish);
      // Too many rows to be compared while the tenant waits.
      const fill = "INSERT INTO entries SELECT g, repeat(md5(g::text), 60) FROM generate_series(1, 6000) g";
      await place.inside("builder", (client) => client.query(fill));
      // It dies once: when all is copied.
      await place.directory.pool.query(
        `CREATE FUNCTION pass() RETURNS trigger LANGUAGE plpgsql AS
           $$ BEGIN IF NEW.point = 'before follow' THEN RETURN NEW; END IF; RETURN NULL; END $$;
         CREATE TRIGGER pass BEFORE INSERT ON points FOR EACH ROW EXECUTE FUNCTION pass()`,
      );
      expect(await place.run("move", wish)).toMatchObject({ signal: "SIGKILL" });
      await place.inside("builder", (client) => client.query("CREATE TABLE late (id int PRIMARY KEY)"));
      const end = await place.run("move", wish);
      expect(JSON.parse(end.output)).toMatchObject({
        state: "failed",
        error: expect.stringContaining("were changed while its rows were copied"),
      });
      expect(await place.home("builder")).toEqual({ ...from, state: "active" });
      expect(await place.write("builder", 1_000_000)).toBe(true);
    } finally {
      await place.dispose();
    }
  }, 300_000);

  it.each(places)(
    "is swept away on the way to %s when nobody takes it back",
    async (_, to) => {
      const place = await MovePlace.open();
      try {
        const wish = { slug: "forgotten", from, to, attempt: 1, fails: false };
        await place.run("make", wish);
        expect(await place.run("abandon", wish)).toMatchObject({ output: "{}\n" });
        expect(await place.home("forgotten")).toMatchObject({ state: "moving" });
        await place.regions.get(from.region)?.pool.query("DELETE FROM tenant_operations");
        for (const _ of [1, 2]) {
          const { output } = await place.run("sweep", wish);
          expect(JSON.parse(output)).toEqual({ "eu-west-1": 2, "eu-north-1": 0 });
        }
        await expectOneHome(place, "forgotten", from, []);
      } finally {
        await place.dispose();
      }
    },
    300_000,
  );

  it("is forgotten by the region that the tenant left, after an hour", async () => {
    const place = await MovePlace.open();
    try {
      const to = { region: "eu-north-1", plan: "starter" };
      const wish = { slug: "emigrant", from, to, attempt: 1, fails: false };
      await place.run("make", wish);
      // It dies nowhere: all points are passed.
      await place.directory.pool.query("ALTER TABLE points RENAME TO passed");
      await place.directory.pool.query(
        "CREATE VIEW points AS SELECT * FROM passed; CREATE RULE passed AS ON INSERT TO points DO INSTEAD NOTHING",
      );
      expect(JSON.parse((await place.run("move", wish)).output)).toMatchObject({ state: "completed" });
      const sweep = async () => JSON.parse((await place.run("sweep", wish)).output) as unknown;
      expect(await sweep()).toEqual({ "eu-west-1": 2, "eu-north-1": 2 });
      const left = place.regions.get("eu-west-1")?.pool;
      await left?.query("UPDATE departures SET departed_at = now() - interval '61 minutes'");
      await left?.query("UPDATE data_locations SET retired_at = now() - interval '61 minutes'");
      expect(await sweep()).toEqual({ "eu-west-1": 0, "eu-north-1": 2 });
      const { rows } = (await left?.query(
        `SELECT slug FROM profiles UNION ALL SELECT slug FROM administrators UNION ALL SELECT slug FROM departures
         UNION ALL SELECT slug FROM data_locations`,
      )) ?? { rows: undefined };
      expect(rows).toEqual([]);
      await expectOneHome(place, "emigrant", to, []);
    } finally {
      await place.dispose();
    }
  }, 300_000);
});
