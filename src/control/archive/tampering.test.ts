import { Readable } from "node:stream";
import { buffer } from "node:stream/consumers";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ZipFile } from "yazl";
import {
  type ArchiveGround,
  archivedTenant,
  createArchiveGround,
} from "../../../test/support/archive-ground.ts";
import { migrationsOf } from "../../../test/support/migrations.ts";
import { type Archive, type ArchiveBytes, openArchive, restoreFiles, writeArchive } from "./archive.ts";
import { ZipWriter } from "./zip-writer.ts";

const anyArchiveFault = { code: expect.stringMatching(/^E_ARCHIVE_(DAMAGED|FORMAT|VERSION)$/) };

describe("an archive that was changed", () => {
  let ground: ArchiveGround;
  let bytes: Buffer;
  let entries: Map<string, Buffer>;

  beforeAll(async () => {
    ground = await createArchiveGround();
    const location = await ground.location("schema");
    await location.migrate(migrationsOf("CREATE TABLE book (id serial PRIMARY KEY, title text)"));
    await location.query("INSERT INTO book (title) SELECT 'book ' || n FROM generate_series(1, 30) AS n");
    await ground.objects.put({ key: "tenants/acme/files/note.txt", body: Buffer.from("a note") });
    const { stream } = writeArchive({
      source: location.address,
      tenant: archivedTenant,
      objects: ground.objects,
    });
    bytes = await buffer(stream);
    entries = await unpack(bytes);
  });
  afterAll(() => ground.dispose());

  it("is noticed at any byte, or is no change", async () => {
    const { manifest } = await open(bytes);
    let noticed = 0;
    for (let place = 0; place < bytes.length; place += 13) {
      const changed = Buffer.from(bytes);
      changed[place]! ^= 0x41;
      try {
        const archive = await open(changed);
        await archive.verify();
        // Times, attributes and what a local header repeats are in no one's interest.
        expect(archive.manifest).toEqual(manifest);
      } catch (error) {
        expect(error, `byte ${place}`).toMatchObject(anyArchiveFault);
        noticed++;
      }
    }
    expect(noticed).toBeGreaterThan(bytes.length / 13 / 2);
  });

  it("is noticed when it breaks off", async () => {
    for (let end = 0; end < bytes.length; end += 101)
      await expect(open(bytes.subarray(0, end)), `at ${end}`).rejects.toMatchObject(anyArchiveFault);
    await expect(open(bytes.subarray(0, -1))).rejects.toMatchObject(anyArchiveFault);
  });

  it("is read when another program has packed the same entries again", async () => {
    const archive = await open(await pack(entries));
    await archive.verify();
    expect(archive.manifest.tenant.slug).toBe("acme");
  });

  it.each<[string, string, (entries: Map<string, Buffer>) => void]>([
    [
      "rows",
      "E_ARCHIVE_DAMAGED",
      (all) => edit(all, "tables/0001-book.tsv", (text) => text.replace("book 7", "book 8")),
    ],
    [
      "the schema",
      "E_ARCHIVE_DAMAGED",
      (all) => edit(all, "schema.txt", (text) => text.replace("title", "tytle")),
    ],
    ["a file", "E_ARCHIVE_DAMAGED", (all) => edit(all, "files/note.txt", () => "b note")],
    ["a missing table", "E_ARCHIVE_DAMAGED", (all) => all.delete("tables/0001-book.tsv")],
    ["a missing file", "E_ARCHIVE_DAMAGED", (all) => all.delete("files/note.txt")],
    ["a file more", "E_ARCHIVE_DAMAGED", (all) => all.set("files/more.txt", Buffer.from("more"))],
    ["an entry more", "E_ARCHIVE_DAMAGED", (all) => all.set("more", Buffer.from("more"))],
    ["no manifest", "E_ARCHIVE_FORMAT", (all) => all.delete("manifest.json")],
    ["another program's manifest", "E_ARCHIVE_FORMAT", (all) => all.set("manifest.json", Buffer.from("{}"))],
    [
      "a newer format",
      "E_ARCHIVE_VERSION",
      (all) => edit(all, "manifest.json", (text) => text.replace('"version": 1', '"version": 2')),
    ],
    [
      "a manifest that lacks something",
      "E_ARCHIVE_DAMAGED",
      (all) => edit(all, "manifest.json", (text) => text.replace('"checksum"', '"sum"')),
    ],
    [
      "migrations out of order",
      "E_ARCHIVE_DAMAGED",
      (all) => edit(all, "manifest.json", (text) => text.replace('"number": 1', '"number": 2')),
    ],
    [
      "another fingerprint",
      "E_ARCHIVE_DAMAGED",
      (all) =>
        edit(all, "manifest.json", (text) => text.replace(/"fingerprint": "..../, '"fingerprint": "0000')),
    ],
  ])("%s: %s", async (_name, code, change) => {
    const changed = new Map(entries);
    change(changed);
    const repacked = await pack(changed);
    await expect(open(repacked).then((archive) => archive.verify())).rejects.toMatchObject({ code });
  });

  it("never writes a file that is not the list's, and names no place outside of the tenant's", async () => {
    const changed = new Map(entries);
    edit(changed, "files/note.txt", () => "b note");
    const archive = await open(await pack(changed));
    await expect(restoreFiles(archive, { objects: ground.objects, slug: "victim" })).rejects.toMatchObject({
      code: "E_ARCHIVE_DAMAGED",
    });
    expect(await ground.objects.head("tenants/victim/files/note.txt")).toBeUndefined();
    for (const path of ["files/../../other/files/x", "/files/x", "files/a\\b", "files//x"]) {
      const zip = await written([...entries, [path, Buffer.from("x")]]);
      await expect(open(zip), path).rejects.toMatchObject(anyArchiveFault);
    }
  });

  it("has each entry once, and none that overlap", async () => {
    const [first] = entries;
    await expect(open(await written([...entries, first!]))).rejects.toMatchObject({
      code: "E_ARCHIVE_DAMAGED",
    });
    const overlapping = Buffer.from(bytes);
    const records = [...recordOffsets(overlapping)];
    overlapping.copy(
      overlapping,
      records[1]! + offsetInRecord(overlapping, records[1]!),
      records[0]! + offsetInRecord(overlapping, records[0]!),
      records[0]! + offsetInRecord(overlapping, records[0]!) + 8,
    );
    await expect(open(overlapping)).rejects.toMatchObject({
      code: "E_ARCHIVE_DAMAGED",
      reason: expect.stringContaining("overlap"),
    });
  });

  it("is told from what is none", async () => {
    for (const none of [Buffer.alloc(0), Buffer.from("id,title\n1,x\n"), Buffer.alloc(5000, "PK")])
      await expect(open(none)).rejects.toMatchObject({ code: "E_ARCHIVE_FORMAT" });
    await expect(open(Buffer.from(`RHSEALED${"x".repeat(100)}`))).rejects.toMatchObject({
      code: "E_ARCHIVE_FORMAT",
      reason: "The archive is encrypted.",
    });
  });
});

function open(bytes: Buffer): Promise<Archive> {
  return openArchive(bytesOf(bytes));
}

function bytesOf(bytes: Buffer): ArchiveBytes {
  return {
    size: bytes.length,
    read: async (start, end) => Readable.from([bytes.subarray(start, end)]),
    close: async () => {},
  };
}

async function unpack(bytes: Buffer): Promise<Map<string, Buffer>> {
  const archive = await open(bytes);
  const { schema, tables, files } = archive.manifest;
  const all = [schema.description, files.list, ...tables.map(({ data }) => data!)];
  for await (const file of archive.files()) all.push(file);
  const entries = new Map<string, Buffer>();
  for (const entry of all) entries.set(entry.entry, await buffer(await archive.read(entry)));
  entries.set("manifest.json", Buffer.from(JSON.stringify(archive.manifest, undefined, 2)));
  return entries;
}

/** As a program makes it that a person has at hand: compressed, in another order, with folders. */
async function pack(entries: ReadonlyMap<string, Buffer>): Promise<Buffer> {
  const zip = new ZipFile();
  zip.addEmptyDirectory("tables/");
  for (const [name, bytes] of [...entries].toReversed()) zip.addBuffer(bytes, name);
  zip.end();
  return buffer(zip.outputStream as Readable);
}

/** With names that no library writes. */
async function written(entries: readonly (readonly [string, Buffer])[]): Promise<Buffer> {
  const zip = new ZipWriter({ time: new Date(), compress: false, onBytes: () => {} });
  async function* all() {
    for (const [name, bytes] of entries) yield* zip.entry(name, [bytes]);
    yield* zip.end();
  }
  return buffer(Readable.from(all()));
}

function edit(entries: Map<string, Buffer>, name: string, change: (text: string) => string): void {
  const before = entries.get(name)!.toString();
  const after = change(before);
  expect(after).not.toBe(before);
  entries.set(name, Buffer.from(after));
}

/** Where the records of the table of contents begin. */
function* recordOffsets(bytes: Buffer): Generator<number> {
  const signature = Buffer.from("PK\u0001\u0002");
  for (let at = bytes.indexOf(signature); at >= 0; at = bytes.indexOf(signature, at + 4)) yield at;
}

/** Of the local header's offset, in the extra field after the name. */
function offsetInRecord(bytes: Buffer, record: number): number {
  return 46 + bytes.readUInt16LE(record + 28) + 4 + 16;
}
