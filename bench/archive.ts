/**
 * A tenant's archive against bare COPY on the same server: one large table written to a file and loaded from it, with
 * and without encryption. Takes a few minutes; most of it is the rows that are loaded.
 */
import { createWriteStream } from "node:fs";
import { chown, mkdir, stat } from "node:fs/promises";
import { join } from "node:path";
import type { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import pg from "pg";
import {
  type ArchiveBytes,
  archiveInFile,
  decryptArchive,
  encryptArchive,
  loadArchive,
  openArchive,
  writeArchive,
} from "../src/control/archive/archive.ts";
import { createKeys } from "../src/embedded/keys.ts";
import { createObjects } from "../src/embedded/objects.ts";
import { findPostgres } from "../src/embedded/postgres/binaries.ts";
import { ensureSigningKey } from "../src/embedded/signing-key.ts";
import { createSystemClock, createSystemRandom } from "../src/node/clock.ts";
import { freePort } from "../test/support/postgres-server.ts";
import { type Figure, figure, median } from "./figure.ts";
import { startPostgres } from "./requests-data.ts";

const rowCount = 5_000_000;
const turns = 3;
/** An archive is to be at least this fast, of bare COPY's speed. */
const goal = 0.6;
const schema = "tenant";
const tableDefinition = `(id bigint PRIMARY KEY, reader uuid NOT NULL, title text NOT NULL, price numeric(10,2),
  lent_at timestamptz NOT NULL, note text, quantity integer NOT NULL)`;
const rowsOf = (rows: number) => `
  SELECT n, gen_random_uuid(), 'The title of book number ' || n || ', "quoted", and its subtitle', (n % 10000) / 100.0,
    '2026-01-01'::timestamptz + n * interval '1 second',
    CASE WHEN n % 3 > 0 THEN md5(n::text) || md5((-n)::text) END, n % 100
  FROM generate_series(1, ${rows}) AS n`;

type Measured = Record<"copyTo" | "copyFrom" | "write" | "writeSealed" | "load" | "loadSealed", number[]>;

export async function measureArchive(rows = rowCount): Promise<Figure[]> {
  const postgres = await startPostgres(await freePort());
  const ground = await prepare(postgres, rows);
  const measured: Measured = {
    copyTo: [],
    copyFrom: [],
    write: [],
    writeSealed: [],
    load: [],
    loadSealed: [],
  };
  let size = 0;
  try {
    for (let turn = 0; turn < turns; turn++) {
      measured.copyTo.push(await timed(ground.copyTo));
      measured.write.push(await timed(() => ground.write(false)));
      measured.writeSealed.push(await timed(() => ground.write(true)));
      measured.copyFrom.push(await timed(ground.copyFrom));
      measured.load.push(await timed(() => ground.load(false)));
      measured.loadSealed.push(await timed(() => ground.load(true)));
    }
    size = await ground.archiveBytes();
  } finally {
    await ground.close();
    await postgres.stop();
  }
  return figures(measured, size, rows);
}

function figures(measured: Measured, size: number, rows: number): Figure[] {
  const [to, from] = [median(measured.copyTo), median(measured.copyFrom)];
  const seconds = (name: string, values: readonly number[], bare?: number) =>
    figure({
      name,
      value: median(values),
      unit: "s",
      scale: 1000,
      ...(bare === undefined ? {} : { limit: Math.round(bare / goal / 10) / 100 }),
    });
  return [
    seconds(`bare \`COPY … TO\` a file, ${rows} rows, ${(size / 1e9).toFixed(2)} GB`, measured.copyTo),
    seconds("an archive into a file", measured.write, to),
    seconds("the same encrypted", measured.writeSealed, to),
    seconds("bare `COPY … FROM` a file into an empty table with its primary key", measured.copyFrom),
    seconds("an archive loaded from a file, and compared with its manifest", measured.load, from),
    seconds("the same encrypted", measured.loadSealed, from),
  ];
}

async function prepare(postgres: { readonly port: number; readonly folder: string }, rows: number) {
  const { port, folder } = postgres;
  const client = new pg.Client({ host: "127.0.0.1", port, user: "postgres", database: "postgres" });
  await client.connect();
  const random = createSystemRandom();
  const keys = await createKeys({ file: join(folder, "keys.json"), random });
  const signingKey = await ensureSigningKey(keys, join(folder, "signing-key.json"));
  const objects = await createObjects({
    folder: join(folder, "objects"),
    signingKey,
    clock: createSystemClock(),
  });
  // Postgres itself writes and reads the bare file, as its own user.
  const bareFolder = join(folder, "bare");
  await mkdir(bareFolder);
  const { user } = await findPostgres();
  if (user !== undefined) await Promise.all([folder, bareFolder].map((path) => chown(path, user, user)));
  const bareFile = join(bareFolder, "rows");
  for (const name of [schema, "loaded", "bare"]) {
    await client.query(`CREATE SCHEMA ${name}; CREATE TABLE ${name}.loans ${tableDefinition}`);
  }
  await client.query(`INSERT INTO ${schema}.loans ${rowsOf(rows)}`);
  await client.query(`VACUUM ANALYZE ${schema}.loans`);
  const parts = { keys, slug: "acme" };
  const address = (name: string) => ({
    endpoint: { nodes: [{ host: "127.0.0.1", port }] },
    credentials: { user: "postgres", password: "" },
    database: "postgres",
    schema: name,
  });
  const fileOf = (isSealed: boolean) => join(folder, isSealed ? "sealed" : "archive.zip");
  return {
    copyTo: () => client.query(`COPY ${schema}.loans TO '${bareFile}'`),
    async copyFrom() {
      await client.query("TRUNCATE bare.loans");
      await client.query(`COPY bare.loans FROM '${bareFile}'`);
    },
    async write(isSealed: boolean) {
      const { stream } = writeArchive({ source: address(schema), tenant, objects });
      const bytes: Readable = isSealed ? await encryptArchive(stream, parts) : stream;
      await pipeline(bytes, createWriteStream(fileOf(isSealed), { highWaterMark: 1024 * 1024 }));
    },
    async load(isSealed: boolean) {
      const file: ArchiveBytes = await archiveInFile(fileOf(isSealed));
      const archive = await openArchive(isSealed ? await decryptArchive(file, parts) : file);
      await loadArchive(archive, address("loaded")).finally(() => archive.close());
    },
    archiveBytes: async () => (await stat(fileOf(false))).size,
    async close() {
      await objects.close();
      await client.end();
    },
  };
}

const tenant = {
  slug: "acme",
  name: "Acme",
  administratorEmail: "anna@acme.example",
  settings: {},
  plan: "starter",
  region: "eu-west-1",
  isolation: "schema",
} as const;

async function timed(work: () => Promise<unknown>): Promise<number> {
  const startedAt = performance.now();
  await work();
  return performance.now() - startedAt;
}
