import { createWriteStream } from "node:fs";
import { join } from "node:path";
import { buffer } from "node:stream/consumers";
import { pipeline } from "node:stream/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  type ArchiveGround,
  archivedTenant,
  createArchiveGround,
  hardRows,
  hardSchema,
  type TestLocation,
} from "../../../test/support/archive-ground.ts";
import { migrationsOf } from "../../../test/support/migrations.ts";
import type { ArchiveManifest } from "../../core/archive/manifest.ts";
import { schemaFingerprint } from "../../postgres/schema-fingerprint.ts";
import { readSequences } from "../../postgres/sequences.ts";
import { tableChecksums } from "../../postgres/table-checksum.ts";
import { ledgerTable } from "../tenant-data/migrator.ts";
import {
  archivedMigrations,
  archiveInObject,
  decryptArchive,
  encryptArchive,
  loadArchive,
  openArchive,
  restoreFiles,
  writeArchive,
} from "./archive.ts";

const release = migrationsOf(
  hardSchema,
  "CREATE TABLE loan (id integer); INSERT INTO loan VALUES (1)",
  "ALTER TABLE loan ADD COLUMN note text DEFAULT 'later'",
);

describe("a tenant's archive", () => {
  let ground: ArchiveGround;
  let source: TestLocation;

  beforeAll(async () => {
    ground = await createArchiveGround();
    source = await ground.location("schema");
    await source.migrate(release.slice(0, 2));
    await source.query(hardRows);
    await ground.objects.put({
      key: "tenants/acme/files/a/b ü.txt",
      body: Buffer.from("hello"),
      contentType: "text/plain; charset=utf-8",
    });
    await ground.objects.put({ key: "tenants/acme/files/empty", body: Buffer.alloc(0) });
    await ground.objects.put({ key: "tenants/acme/files/large", body: Buffer.alloc(3_000_000, "large") });
    await ground.objects.put({ key: "tenants/acme2/files/not-ours", body: Buffer.from("x") });
  });
  afterAll(() => ground.dispose());

  async function write(location: TestLocation, name: string, compress = false): Promise<ArchiveManifest> {
    const { stream, manifest } = writeArchive({
      source: location.address,
      tenant: archivedTenant,
      objects: ground.objects,
      compress,
    });
    await pipeline(stream, createWriteStream(join(ground.folder, name)));
    return manifest;
  }

  async function load(name: string, target: TestLocation): Promise<void> {
    const archive = await openArchive(await ground.file(name));
    try {
      await target.migrate(archivedMigrations(archive.manifest, release));
      await loadArchive(archive, target.address, { checkConstraints: true });
    } finally {
      await archive.close();
    }
  }

  /** All that must be the same at both places. */
  async function contents(location: TestLocation) {
    const { client, address } = location;
    const rows: Record<string, unknown> = {};
    for (const [table, order] of [
      ["every", "id"],
      ["child", "1"],
      ["parent", "1"],
      ["setting", "1"],
      ["first_view", "1"],
      ["a_second_view", "1"],
      ["journal", "1"],
    ]) {
      rows[table as string] = (
        await location.query(`SELECT t::text FROM ${table} AS t ORDER BY ${order}`)
      ).rows;
    }
    const checksums = await tableChecksums(client, address.schema);
    checksums.delete(ledgerTable);
    return {
      rows,
      checksums,
      fingerprint: await schemaFingerprint(client, address.schema),
      sequences: await readSequences(client, address.schema),
    };
  }

  it("carries everything from a schema into a database, and back", async () => {
    const manifest = await write(source, "one.zip");
    expect(manifest).toMatchObject({
      format: "rowhouse-archive",
      version: 1,
      tenant: archivedTenant,
      schema: {
        version: 2,
        fingerprint: await schemaFingerprint(source.client, source.address.schema, [ledgerTable]),
      },
      files: { count: 3, bytes: 3_000_005 },
    });
    expect(manifest.tables.find(({ name }) => name === "columnless")).toMatchObject({ rows: 3, columns: [] });
    const database = await ground.location("database");
    await load("one.zip", database);
    expect(await contents(database)).toEqual(await contents(source));
    await write(database, "two.zip", true);
    const back = await ground.location("schema");
    await load("two.zip", back);
    expect(await contents(back)).toEqual(await contents(source));
    await back.migrate(release);
    expect((await back.query("SELECT id, note FROM loan")).rows).toEqual([{ id: 1, note: "later" }]);
    expect((await back.query("INSERT INTO every (txt) VALUES ('next') RETURNING id::int")).rows).toEqual([
      { id: 5006 },
    ]);
  });

  it("loads again what was loaded, over what was written since", async () => {
    await write(source, "again.zip");
    const target = await ground.location("schema");
    await load("again.zip", target);
    await target.query("DELETE FROM setting; INSERT INTO every (txt) VALUES ('stray')");
    await load("again.zip", target);
    expect(await contents(target)).toEqual(await contents(source));
  });

  it("goes into the region's objects encrypted, and comes out by ranges", async () => {
    const { stream, manifest } = writeArchive({
      source: source.address,
      tenant: archivedTenant,
      objects: ground.objects,
    });
    const parts = { keys: ground.keys, slug: "acme" };
    await ground.objects.put({ key: "backups/acme/1", body: await encryptArchive(stream, parts) });
    const archive = await openArchive(
      await decryptArchive(await archiveInObject(ground.objects, "backups/acme/1"), parts),
    );
    expect(archive.manifest).toEqual(await manifest);
    await archive.verify();
    expect(await restoreFiles(archive, { objects: ground.objects, slug: "other" })).toEqual({
      files: 3,
      bytes: 3_000_005,
    });
    await archive.close();
    const restored = await ground.objects.get("tenants/other/files/a/b ü.txt");
    expect(restored?.info.contentType).toBe("text/plain; charset=utf-8");
    expect((await buffer(restored!.body)).toString()).toBe("hello");
  });
});
