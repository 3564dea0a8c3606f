import { createHash } from "node:crypto";
import { createWriteStream } from "node:fs";
import { join } from "node:path";
import { Readable } from "node:stream";
import { buffer, text } from "node:stream/consumers";
import { pipeline } from "node:stream/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  type ArchiveGround,
  archivedTenant,
  createArchiveGround,
  type TestLocation,
} from "../../../test/support/archive-ground.ts";
import { migrationsOf } from "../../../test/support/migrations.ts";
import type { ArchivedTable } from "../../core/archive/manifest.ts";
import { type Archive, archiveInFile, loadArchive, openArchive, writeArchive } from "./archive.ts";

const release = migrationsOf(
  `CREATE TABLE account (id serial PRIMARY KEY, balance integer NOT NULL CHECK (balance > -1000));
   CREATE TABLE entry (id serial PRIMARY KEY, account integer NOT NULL REFERENCES account, amount integer NOT NULL);`,
);

describe("an archive", () => {
  let ground: ArchiveGround;
  let source: TestLocation;
  let written = 0;

  beforeAll(async () => {
    ground = await createArchiveGround();
    source = await ground.location("schema");
    await source.migrate(release);
    await source.query(`INSERT INTO account (balance) SELECT 0 FROM generate_series(1, 2000)`);
  });
  afterAll(() => ground.dispose());

  const begin = (location: TestLocation) =>
    writeArchive({ source: location.address, tenant: archivedTenant, objects: ground.objects });

  async function write(location: TestLocation): Promise<string> {
    const path = join(ground.folder, `${written++}.zip`);
    await pipeline(begin(location).stream, createWriteStream(path));
    return path;
  }

  async function target(): Promise<TestLocation> {
    const location = await ground.location("schema");
    await location.migrate(release);
    return location;
  }

  it("is of one moment while the tenant writes on", async () => {
    let isWriting = true;
    let transfers = 0;
    const transfer = async () => {
      for (; isWriting; transfers++) {
        await source.query(
          `WITH moved AS (INSERT INTO entry (account, amount) SELECT id, 1 FROM account RETURNING account)
           UPDATE account SET balance = balance + 1`,
        );
      }
    };
    const writing = transfer();
    await expect.poll(() => transfers).toBeGreaterThan(2);
    const before = transfers;
    const path = await write(source);
    await expect.poll(() => transfers).toBeGreaterThan(before);
    isWriting = false;
    await writing;
    const restored = await target();
    const archive = await openArchive(await archiveInFile(path));
    await loadArchive(archive, restored.address).finally(() => archive.close());
    const { rows } = await restored.query(
      "SELECT sum(balance)::int AS balance, (SELECT count(*)::int FROM entry) AS entries, count(DISTINCT balance)::int AS kinds FROM account",
    );
    expect(rows[0]).toMatchObject({ balance: rows[0].entries, kinds: 1 });
    expect(rows[0].entries).toBeGreaterThan(0);
  });

  it("ends the work in the database when it is given up", async () => {
    const { stream, manifest } = begin(source);
    await new Promise((resolve) => stream.once("readable", resolve));
    stream.destroy();
    await expect(manifest).rejects.toMatchObject({ code: "ERR_STREAM_PREMATURE_CLOSE" });
    const sessions = () =>
      source.client.query(
        "SELECT FROM pg_stat_activity WHERE application_name = 'rowhouse-archive' AND datname = current_database()",
      );
    await expect.poll(async () => (await sessions()).rowCount).toBe(0);
  });

  it("fails with its database", async () => {
    const location = { ...source.address, database: "no_such_database" };
    const { stream, manifest } = writeArchive({
      source: location,
      tenant: archivedTenant,
      objects: ground.objects,
    });
    await expect(buffer(stream)).rejects.toMatchObject({ code: "3D000" });
    await expect(manifest).rejects.toMatchObject({ code: "3D000" });
  });

  it("names what it can't hold", async () => {
    const location = await ground.location("schema");
    const { schema } = location.address;
    await location.client.query(`
      CREATE FOREIGN DATA WRAPPER elsewhere; CREATE SERVER there FOREIGN DATA WRAPPER elsewhere;
      CREATE FOREIGN TABLE ${schema}.remote (id integer) SERVER there`);
    await location.query("SELECT lo_create(0), lo_create(0)");
    await expect(buffer(begin(location).stream)).rejects.toMatchObject({
      code: "E_ARCHIVE_UNSUPPORTED",
      reason: expect.stringMatching(/foreign table "remote".*2 large objects/),
    });
    await location.client.query(
      `DROP FOREIGN TABLE ${schema}.remote; DROP FOREIGN DATA WRAPPER elsewhere CASCADE`,
    );
    await location.query(
      "SELECT lo_unlink(oid) FROM pg_largeobject_metadata WHERE pg_has_role(lomowner, 'MEMBER')",
    );
    await expect(buffer(begin(location).stream)).resolves.toBeInstanceOf(Buffer);
  });

  it("is not loaded into tables of another shape", async () => {
    const path = await write(source);
    const other = await target();
    await other.query("ALTER TABLE entry ADD COLUMN note text");
    const archive = await openArchive(await archiveInFile(path));
    await expect(loadArchive(archive, other.address)).rejects.toMatchObject({
      code: "E_ARCHIVE_SCHEMA",
      reason: expect.stringContaining("note"),
    });
    await archive.close();
  });

  /** The archive of `source` as somebody forges it: whatever hangs on the rows is made to fit. */
  async function forged(change: (table: string, rows: string) => string): Promise<Archive> {
    const archive = await openArchive(await archiveInFile(await write(source)));
    const contents = new Map<string, Buffer>();
    const tables: ArchivedTable[] = [];
    for (const table of archive.manifest.tables) {
      const rows = Buffer.from(change(table.name, await text(await archive.read(table.data!))));
      contents.set(table.data!.entry, rows);
      const sha256 = createHash("sha256").update(rows).digest("hex");
      const count = rows.toString().split("\n").length - 2;
      tables.push({ ...table, rows: count, data: { ...table.data!, bytes: rows.length, sha256 } });
    }
    return {
      ...archive,
      manifest: { ...archive.manifest, tables },
      read: async (entry) => {
        const found = contents.get(entry.entry);
        return found ? Readable.from([found]) : archive.read(entry);
      },
      close: () => archive.close(),
    };
  }

  it.each([
    [
      "a row that a constraint refuses",
      "account",
      (rows: string) => `${rows}999999\t-5000\n`,
      "E_ARCHIVE_DAMAGED",
    ],
    ["a key twice", "account", (rows: string) => `${rows}1\t0\n`, "E_ARCHIVE_DAMAGED"],
    ["text for a number", "account", (rows: string) => `${rows}x\t0\n`, "E_ARCHIVE_DAMAGED"],
    [
      "other columns",
      "account",
      (rows: string) => rows.replace("id\tbalance", "balance\tid"),
      "E_ARCHIVE_DAMAGED",
    ],
    [
      "a row more than the checksum knows",
      "account",
      (rows: string) => `${rows}999999\t0\n`,
      "E_ARCHIVE_MISMATCH",
    ],
  ])("keeps nothing of %s", async (_name, changed, change, code) => {
    const location = await target();
    const archive = await forged((table, rows) => (table === changed ? change(rows) : rows));
    await expect(loadArchive(archive, location.address)).rejects.toMatchObject({ code });
    await archive.close();
    expect((await location.query("SELECT FROM account")).rowCount).toBe(0);
  });

  it("keeps nothing of rows whose foreign key leads nowhere, when it comes from outside", async () => {
    const stray = await target();
    await stray.client.query(
      `SET session_replication_role = replica; INSERT INTO ${stray.address.schema}.entry VALUES (1, 77, 1)`,
    );
    const path = await write(stray);
    const location = await target();
    const archive = await openArchive(await archiveInFile(path));
    await expect(loadArchive(archive, location.address, { checkConstraints: true })).rejects.toMatchObject({
      code: "E_ARCHIVE_DAMAGED",
      reason: expect.stringContaining("entry_account_fkey"),
    });
    expect((await location.query("SELECT FROM entry")).rowCount).toBe(0);
    await archive.close();
  });
});
