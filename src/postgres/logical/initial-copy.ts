import { pipeline } from "node:stream/promises";
import type pg from "pg";
import { from as copyFrom } from "pg-copy-streams";
import { fault } from "../../core/error.ts";
import { CopyOut } from "../copy-out.ts";
import { quoteIdentifier } from "../identifier.ts";
import { tableChecksums } from "../table-checksum.ts";
import { listTables, qualifiedName } from "../tables.ts";
import { listRowTables, type RowTable } from "./publication.ts";
import { connectToSource, type Source } from "./source.ts";
import { connectToTarget, forgetProgress, type Target } from "./target.ts";

export interface CopiedRows {
  readonly rows: number;
  /** As COPY writes them. */
  readonly bytes: number;
}

/** Both servers are busy with one pipe; the second fills its pauses. */
const pipes = 2;

/** A connection to the source that sees it as it was at the snapshot. */
export async function readAt(source: Source, snapshot: string): Promise<pg.Client> {
  const client = await connectToSource(source);
  try {
    await client.query("BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY");
    await client.query(`SET TRANSACTION SNAPSHOT '${snapshot}'`);
    return client;
  } catch (error) {
    await client.end();
    throw error;
  }
}

/** Empties all tables of the target, and says there that it holds no whole copy. */
export async function emptyTarget(target: Target): Promise<void> {
  const client = await connectToTarget(target);
  try {
    const tables = (await listTables(client, target.schema)).map(({ name }) =>
      qualifiedName(target.schema, name),
    );
    const truncate = tables.length > 0 ? `TRUNCATE ${tables.join(", ")};` : "";
    await client.query(`BEGIN; ${forgetProgress(target.id)}; ${truncate} COMMIT`);
  } finally {
    await client.end();
  }
}

/** Copies all rows that `readers` see, table by table, as many at once as there are readers. */
export async function copyRows(parts: {
  readonly readers: readonly pg.Client[];
  readonly source: Source;
  readonly target: Target;
  readonly onProgress: (bytes: number) => void;
}): Promise<CopiedRows> {
  const { readers, source, target } = parts;
  const [first] = readers;
  if (!first) throw new Error("A copy needs a reader.");
  const queue = (await listRowTables(first, source.schema)).values();
  const total = { rows: 0, bytes: 0 };
  const onBytes = (bytes: number) => {
    total.bytes += bytes;
    parts.onProgress(total.bytes);
  };
  const work = async (reader: pg.Client) => {
    const writer = await connectToTarget(target);
    try {
      for (const table of queue) {
        const rows = await copyTable({ reader, writer, table, source, target, onBytes });
        total.rows += rows;
        await writer.query(`ANALYZE ${qualifiedName(target.schema, table.name)}`);
      }
    } finally {
      await writer.end();
    }
  };
  await allOrFirstFailure(readers.map(work));
  return total;
}

/** How many readers {@link copyRows} wants. */
export const readerCount = pipes;

async function copyTable(parts: {
  readonly reader: pg.Client;
  readonly writer: pg.Client;
  readonly table: RowTable;
  readonly source: Source;
  readonly target: Target;
  readonly onBytes: (bytes: number) => void;
}): Promise<number> {
  const { reader, writer, table, source, target, onBytes } = parts;
  const names = table.columns.map(quoteIdentifier).join(", ");
  const columns = names && `(${names})`;
  const out = reader.query(
    new CopyOut(`COPY ${qualifiedName(source.schema, table.name)} ${columns} TO STDOUT`),
  );
  const into = writer.query(
    copyFrom(`COPY ${qualifiedName(target.schema, table.name)} ${columns} FROM STDIN`),
  );
  out.on("data", (chunk: Buffer) => onBytes(chunk.length));
  await pipeline(out, into);
  if (into.rowCount !== out.rowCount)
    throw fault(
      "E_MOVE_FAILED",
      `The table ${table.name} has ${out.rowCount} rows and its copy ${into.rowCount}.`,
    );
  return into.rowCount;
}

/**
 * Compares every row that the reader sees with the target's, by checksums of the tables.
 * @throws E_MOVE_FAILED with the table's name
 */
export async function compareRows(parts: {
  readonly reader: pg.ClientBase;
  readonly source: Pick<Source, "schema">;
  readonly writer: pg.ClientBase;
  readonly target: Pick<Target, "schema">;
}): Promise<void> {
  const [original, copy] = await Promise.all([
    tableChecksums(parts.reader, parts.source.schema),
    tableChecksums(parts.writer, parts.target.schema),
  ]);
  for (const [table, { rows, checksum }] of original) {
    const found = copy.get(table);
    if (found?.rows === rows && found.checksum === checksum) continue;
    throw fault(
      "E_MOVE_FAILED",
      `The copy of the table ${table} has ${found?.rows ?? "no"} rows that are not the original's ${rows}.`,
    );
  }
}

/** Waits for all, so that nothing goes on behind a failure, and throws the first one. */
async function allOrFirstFailure(work: readonly Promise<void>[]): Promise<void> {
  const results = await Promise.allSettled(work);
  const failed = results.find((result) => result.status === "rejected");
  if (failed) throw failed.reason;
}
