/**
 * A large tenant that moves from the shared database to one of its own while it is written, beside a bare COPY of the
 * same table through one pipe on the same server.
 */
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import type pg from "pg";
import { from as copyFrom, to as copyTo } from "pg-copy-streams";
import type { MoveResult } from "../src/control/move/status.ts";
import { openDatabases } from "../src/embedded/databases.ts";
import { createKeys } from "../src/embedded/keys.ts";
import { StateFolder } from "../src/embedded/state-folder.ts";
import { connect } from "../src/postgres/connect.ts";
import { createSystem, type System } from "../test/support/system.ts";
import { type Figure, figure, median } from "./figure.ts";

/** About 250 bytes each. */
const defaultRows = 4_000_000;
const writers = 4;
const longestPauseMilliseconds = 500;
/** A move's rows are to come at least this fast, of a bare pipe's speed. */
const goal = 0.6;
const slug = "heavy";

const config = `import { defineConfig } from "rowhouse";
export default defineConfig({
  app: "./app.ts",
  domain: "heavy.example",
  regions: { "eu-west-1": { jurisdiction: "EU", zones: ["a", "b"] } },
  plans: { starter: { isolation: "schema" }, business: { isolation: "database" } },
});
`;
const app = `import { defineApp } from "rowhouse";
export default defineApp({
  name: "heavy",
  migrations: "./migrations",
  fetch: async (request, tenant) => {
    await tenant.db.query("INSERT INTO entries (note) VALUES ($1)", [new URL(request.url).pathname]);
    return new Response(null, { status: 201 });
  },
});
`;
const columns =
  "(id bigint PRIMARY KEY, reader uuid, title text, price numeric(10,2), lent_at timestamptz, note text)";
const rowsSql = (count: number) => `
  SELECT n, gen_random_uuid(), 'The title of book number ' || n || ' and its subtitle', (n % 10000) / 100.0,
    '2026-01-01'::timestamptz + n * interval '1 second', repeat(md5(n::text), 4)
  FROM generate_series(1, ${count}) AS n`;

/** Takes minutes: the rows are made, copied barely, and moved. */
export async function measureMove(count = defaultRows): Promise<Figure[]> {
  const folder = await mkdtemp(join(tmpdir(), "rowhouse-heavy-"));
  await writeFile(join(folder, "rowhouse.config.ts"), config);
  await writeFile(join(folder, "app.ts"), app);
  await mkdir(join(folder, "migrations"));
  const tables = `CREATE TABLE loans ${columns}; CREATE TABLE entries (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, note text);`;
  await writeFile(join(folder, "migrations", "0001_tables.sql"), tables);
  const system = await createSystem({ config: join(folder, "rowhouse.config.ts") });
  try {
    await system.up();
    await system.json(
      ...["tenant", "create", slug, "--name", "Heavy", "--region", "eu-west-1"],
      ...["--plan", "starter", "--email", "ada@heavy.example"],
    );
    return await measure(system, await prepare(await openServer(system), count));
  } finally {
    await system.dispose();
    await rm(folder, { recursive: true, force: true });
  }
}

interface Bare {
  readonly bytes: number;
  readonly milliseconds: number;
}

interface BarePipe {
  copy(): Promise<Bare>;
  close(): Promise<void>;
}

/** Requests of so many writers, one after the other each, from now on. */
class Load {
  readonly waits: number[] = [];
  failed = 0;
  #isOver = false;
  readonly #work: Promise<unknown>;

  constructor(system: System) {
    this.#work = Promise.all(Array.from({ length: writers }, (_, name) => this.#write(system, name)));
  }

  async #write(system: System, name: number): Promise<void> {
    for (let i = 0; !this.#isOver; i++) {
      const startedAt = performance.now();
      const answer = await system.tenant(slug, `/${name}-${i}`, { method: "POST" }).catch(() => undefined);
      this.waits.push(performance.now() - startedAt);
      if (answer?.status !== 201) this.failed++;
    }
  }

  async stop(): Promise<void> {
    this.#isOver = true;
    await this.#work;
  }
}

async function measure(system: System, bare: BarePipe): Promise<Figure[]> {
  const load = new Load(system);
  const before = await bare.copy();
  load.waits.length = 0;
  const result = await system.json<MoveResult>("tenant", "move", slug, "--plan", "business");
  const waits = [...load.waits];
  // Once more, for the machine is not the same all the time; the old place is still there.
  const after = await bare.copy();
  await load.stop();
  await bare.close();
  const size = `${(result.bytes / 1e9).toFixed(2)} GB, ${result.rows} rows`;
  const bareMilliseconds = ((before.milliseconds + after.milliseconds) / 2) * (result.bytes / before.bytes);
  const { failed } = load;
  return [
    figure({
      name: `bare \`COPY\` through one pipe under the same load, before and after, ${size}`,
      value: bareMilliseconds,
      unit: "s",
      scale: 1000,
    }),
    figure({
      name: "rows of the move: copied, and compared by checksum on both sides",
      value: result.copyMs / 1000,
      unit: "s",
      limit: Number((bareMilliseconds / 1000 / goal).toPrecision(3)),
    }),
    figure({ name: "the whole move", value: result.durationMs, unit: "s", scale: 1000 }),
    figure({
      name: "pause of writes, as the move counts it",
      value: result.writePauseMs,
      unit: "ms",
      limit: longestPauseMilliseconds,
    }),
    figure({
      name: `longest of ${waits.length} requests by ${writers} writers`,
      value: Math.max(...waits),
      unit: "ms",
    }),
    figure({ name: "median of these", value: median(waits), unit: "ms" }),
    { name: "failed requests", value: failed, unit: "", limit: 0, ratio: failed },
  ];
}

type Open = (database: string) => Promise<pg.Client>;

async function openServer(system: System): Promise<Open> {
  const region = new StateFolder(system.stateDirectory).region("eu-west-1");
  const keys = await createKeys({ file: join(region, "keys.json") });
  const databases = openDatabases({ folder: join(region, "databases"), keys });
  const endpoint = await databases.endpoint("shared-1");
  const credentials = await databases.administrator("shared-1");
  return (database) => connect({ endpoint, credentials, database, applicationName: "bench" });
}

/** Fills the tenant's table; what it returns copies that into a database beside it. */
async function prepare(open: Open, count: number): Promise<BarePipe> {
  const schema = await schemaOf(open);
  const source = await open("tenants");
  await source.query(`INSERT INTO "${schema}".loans ${rowsSql(count)}`);
  await source.query(`VACUUM ANALYZE "${schema}".loans`);
  await source.query("CREATE DATABASE bare");
  const target = await open("bare");
  await target.query(`CREATE TABLE loans ${columns}`);
  return {
    copy: async () => {
      await target.query("TRUNCATE loans");
      return copyBarely(source, target, schema);
    },
    close: async () => {
      await Promise.all([source.end(), target.end()]);
    },
  };
}

/** The tenant's own, as the region's control database says: spares have the same tables. */
async function schemaOf(open: Open): Promise<string> {
  const control = await open("rowhouse_region");
  const { rows } = await control
    .query<{ schema: string }>("SELECT schema FROM data_locations WHERE slug = $1", [slug])
    .finally(() => control.end());
  if (!rows[0]) throw new Error("The tenant has no place.");
  return rows[0].schema;
}

async function copyBarely(source: pg.Client, target: pg.Client, schema: string): Promise<Bare> {
  const startedAt = performance.now();
  let bytes = 0;
  const out = source.query(copyTo(`COPY "${schema}".loans TO STDOUT`));
  out.on("data", (chunk: Buffer) => {
    bytes += chunk.length;
  });
  await pipeline(out, target.query(copyFrom("COPY loans FROM STDIN")));
  return { bytes, milliseconds: performance.now() - startedAt };
}
