import { execFileSync } from "node:child_process";
import { createWriteStream } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
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
import type { ArchivedTable } from "../../core/archive/manifest.ts";
import { writeArchive } from "./archive.ts";

const document = new URL("../../../docs/archive-format.md", import.meta.url);

/** Python is what the AWS family's tests need too; unzip comes with most systems. */
function isMissing(program: string, argument: string): boolean {
  try {
    execFileSync(program, [argument], { stdio: "ignore" });
    return false;
  } catch (cause) {
    if (process.env.CI)
      throw new Error(`The archive must be read by ${program}, which is not there.`, { cause });
    return true;
  }
}

describe("the archive as its document says", () => {
  let ground: ArchiveGround;
  let source: TestLocation;
  let tables: readonly ArchivedTable[];
  const path = (name: string) => join(ground.folder, name);

  beforeAll(async () => {
    ground = await createArchiveGround();
    source = await ground.location("schema");
    await source.migrate(migrationsOf(hardSchema));
    await source.query(hardRows);
    await ground.objects.put({ key: "tenants/acme/files/ä/note.txt", body: Buffer.from("a note") });
    for (const [name, compress] of [
      ["acme.zip", false],
      ["small.zip", true],
    ] as const) {
      const { stream, manifest } = writeArchive({
        source: source.address,
        tenant: archivedTenant,
        objects: ground.objects,
        compress,
      });
      await pipeline(stream, createWriteStream(path(name)));
      ({ tables } = await manifest);
    }
  });
  afterAll(() => ground.dispose());

  it.skipIf(isMissing("python3", "--version")).each(["acme.zip", "small.zip"])(
    "is read by the document's own program of Python (%s)",
    async (name) => {
      const [, program] = /```python\n([\s\S]*?)```/.exec(await readFile(document, "utf8")) ?? [];
      const printed = program!
        .replace('"acme.zip"', JSON.stringify(path(name)))
        .replace('print(table["name"], row)', 'print(json.dumps([table["name"], row]))');
      const checks = `
import hashlib
assert archive.testzip() is None
for line in archive.read("files.ndjson").decode().splitlines():
    file = json.loads(line)
    assert hashlib.sha256(archive.read(file["entry"])).hexdigest() == file["sha256"]
`;
      const output = execFileSync("python3", ["-c", printed + checks], {
        encoding: "utf8",
        maxBuffer: 1 << 26,
      });
      const read = output
        .trim()
        .split("\n")
        .map((line) => JSON.parse(line) as [string, (string | null)[]]);
      const every = read.filter(([table]) => table === "every").map(([, row]) => row);
      const names = ["txt", "chars", "number", "bytes", "tstz", "doc", "texts", "duo", "state"];
      await source.query("SET TimeZone = UTC");
      const { rows } = await source.query(
        `SELECT json_build_array(${names.map((column) => `${column}::text`)}) AS row FROM every ORDER BY id`,
      );
      const places = names.map((column) =>
        tables.find((table) => table.name === "every")!.columns.findIndex(({ name }) => name === column),
      );
      const archived = every
        .toSorted((a, b) => Number(a[0]) - Number(b[0]))
        .map((row) => places.map((place) => row[place]));
      expect(archived).toEqual(rows.map(({ row }) => row));
      expect(read.filter(([table]) => table === 'Mixed "Case" Täble/..').map(([, row]) => row)).toEqual([
        ["a", "1", "x\ty"],
        ["\\.", "2", ""],
        [null, null, null],
      ]);
      expect(read.filter(([table]) => table === "measure")).toHaveLength(100);
    },
  );

  it.skipIf(isMissing("unzip", "-v"))("is unpacked and checked by unzip", async () => {
    for (const name of ["acme.zip", "small.zip"])
      expect(execFileSync("unzip", ["-tq", path(name)], { encoding: "utf8" })).toContain(
        "No errors detected",
      );
    execFileSync("unzip", ["-q", path("acme.zip"), "-d", path("unpacked")]);
    expect(await readFile(path("unpacked/files/ä/note.txt"), "utf8")).toBe("a note");
    const manifest = JSON.parse(await readFile(path("unpacked/manifest.json"), "utf8"));
    const { data } = manifest.tables.find((table: { name: string }) => table.name === "setting");
    expect(await readFile(path(`unpacked/${data.entry}`), "utf8")).toBe(
      "name\tvalue\nfrom\tchanged\nmore\t\\N\n",
    );
  });
});
