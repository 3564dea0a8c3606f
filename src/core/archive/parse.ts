import { z } from "zod";
import { fault } from "../error.ts";
import { checkObjectKey } from "../object/key.ts";
import {
  type ArchivedFile,
  type ArchiveManifest,
  archiveFormat,
  archiveVersion,
  filesEntry,
  filesFolder,
  schemaEntry,
} from "./manifest.ts";

const count = z.number().int().nonnegative();
const sha256 = z.string().regex(/^[0-9a-f]{64}$/);
const name = z.string().min(1).max(63);
const entry = z.object({ entry: z.string().min(1), bytes: count, sha256 });

const manifest = z.object({
  format: z.literal(archiveFormat),
  version: z.literal(archiveVersion),
  madeBy: z.string(),
  snapshot: z.object({ time: z.iso.datetime(), lsn: z.string(), postgres: z.string() }),
  tenant: z.object({
    slug: z.string().min(1),
    name: z.string(),
    administratorEmail: z.string(),
    settings: z.record(z.string(), z.unknown()),
    plan: z.string(),
    region: z.string(),
    isolation: z.enum(["schema", "database", "server"]),
  }),
  schema: z.object({
    version: count,
    migrations: z.array(z.object({ number: z.number().int().positive(), file: z.string(), sha256 })),
    fingerprint: sha256,
    description: entry.extend({ entry: z.literal(schemaEntry) }),
  }),
  tables: z.array(
    z.object({
      name,
      columns: z.array(z.object({ name, type: z.string(), nullable: z.boolean() })),
      primaryKey: z.array(name),
      rows: count,
      checksum: z.string().regex(/^-?\d{1,40}$/),
      data: entry.extend({ entry: z.string().regex(/^tables\/[A-Za-z0-9_-]+\.tsv$/) }).exactOptional(),
    }),
  ),
  sequences: z.array(z.object({ name, lastValue: z.string().regex(/^-?\d{1,19}$/), isCalled: z.boolean() })),
  materializedViews: z.array(z.object({ name, populated: z.boolean() })),
  files: z.object({ count, bytes: count, list: entry.extend({ entry: z.literal(filesEntry) }) }),
});

const header = z.object({ format: z.literal(archiveFormat), version: z.number() });

/**
 * Reads a `manifest.json`. What it does not know in it is passed over.
 * @throws E_ARCHIVE_FORMAT when it is none, E_ARCHIVE_VERSION when it is newer, E_ARCHIVE_DAMAGED when it contradicts
 * itself or lacks something
 */
export function parseArchiveManifest(json: string): ArchiveManifest {
  let value: unknown;
  try {
    value = JSON.parse(json);
  } catch (cause) {
    throw fault("E_ARCHIVE_FORMAT", "The archive's manifest.json is no JSON.", { cause });
  }
  const head = header.safeParse(value);
  if (!head.success) throw fault("E_ARCHIVE_FORMAT", `The manifest.json is not of a "${archiveFormat}".`);
  if (head.data.version > archiveVersion) throw fault("E_ARCHIVE_VERSION");
  const parsed = manifest.safeParse(value);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    throw fault(
      "E_ARCHIVE_DAMAGED",
      `The archive's manifest.json is not valid at "${issue?.path.join(".") ?? ""}".`,
      { cause: parsed.error },
    );
  }
  const found: ArchiveManifest = parsed.data;
  checkAgreement(found);
  return found;
}

function checkAgreement({ schema, tables, sequences }: ArchiveManifest): void {
  const numbers = schema.migrations.map(({ number }) => number);
  const inOrder = numbers.every((number, index) => number === index + 1);
  const problem =
    (schema.fingerprint !== schema.description.sha256 && "the fingerprint is not its description's") ||
    (!inOrder && "the migrations are not numbered 1, 2, 3 …") ||
    (schema.version !== numbers.length && "the schema's version is not its last migration's") ||
    (hasTwice(tables.map((table) => table.name)) && "a table is there twice") ||
    (hasTwice(tables.flatMap((table) => table.data?.entry ?? [])) && "two tables have the same rows") ||
    (hasTwice(sequences.map((sequence) => sequence.name)) && "a sequence is there twice");
  if (problem)
    throw fault("E_ARCHIVE_DAMAGED", `The archive's manifest.json contradicts itself: ${problem}.`);
}

function hasTwice(names: readonly string[]): boolean {
  return new Set(names).size < names.length;
}

const file = entry.extend({ key: z.string(), contentType: z.string(), lastModified: z.iso.datetime() });

/** Reads a line of the list of files. @throws E_ARCHIVE_DAMAGED, also for a key that no file could have */
export function parseArchivedFile(line: string): ArchivedFile {
  try {
    const found = file.parse(JSON.parse(line));
    checkObjectKey(found.key);
    if (found.entry === filesFolder + found.key) return found;
  } catch (cause) {
    throw fault("E_ARCHIVE_DAMAGED", "The archive's list of files is not valid.", { cause });
  }
  throw fault("E_ARCHIVE_DAMAGED", "The archive's list of files names an entry of another file.");
}
