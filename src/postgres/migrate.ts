import { createHash } from "node:crypto";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type pg from "pg";
import { fault } from "../core/error.ts";
import {
  type AppliedMigration,
  type Migration,
  orderMigrations,
  pendingMigrations,
} from "../core/migration/plan.ts";
import { quoteIdentifier } from "./identifier.ts";

/** Reads a folder of numbered SQL files. @throws E_MIGRATION_NAME */
export async function readMigrations(folder: string | URL): Promise<Migration[]> {
  const path = folder instanceof URL ? fileURLToPath(folder) : folder;
  const names = (await readdir(path)).filter((name) => name.endsWith(".sql"));
  const files = await Promise.all(
    names.map(async (file) => {
      const sql = await readFile(join(path, file), "utf8");
      return { file, sql, sha256: createHash("sha256").update(sql).digest("hex") };
    }),
  );
  return orderMigrations(files);
}

/**
 * Applies what is pending, each file in its own transaction together with its ledger row, so that a crash leaves
 * no file half applied. Returns the number of the newest migration.
 * @throws E_MIGRATION_FAILED with the file, line and SQLSTATE, E_MIGRATION_CHANGED
 */
export async function applyMigrations(
  client: pg.ClientBase,
  migrations: readonly Migration[],
  options: { readonly ledgerSchema: string; readonly ledgerTable: string },
): Promise<number> {
  const ledger = `${quoteIdentifier(options.ledgerSchema)}.${quoteIdentifier(options.ledgerTable)}`;
  await client.query(
    `CREATE TABLE IF NOT EXISTS ${ledger} (
       number integer PRIMARY KEY, file text NOT NULL, sha256 text NOT NULL, applied_at timestamptz NOT NULL DEFAULT now())`,
  );
  const { rows } = await client.query<AppliedMigration>(
    `SELECT number, file, sha256 FROM ${ledger} ORDER BY number`,
  );
  for (const migration of pendingMigrations(migrations, rows)) await applyOne(client, migration, ledger);
  return migrations.at(-1)?.number ?? 0;
}

async function applyOne(client: pg.ClientBase, migration: Migration, ledger: string): Promise<void> {
  await client.query("BEGIN");
  try {
    await client.query(migration.sql);
    await client.query(`INSERT INTO ${ledger} (number, file, sha256) VALUES ($1, $2, $3)`, [
      migration.number,
      migration.file,
      migration.sha256,
    ]);
    await client.query("COMMIT");
  } catch (cause) {
    await client.query("ROLLBACK").catch(() => {});
    throw migrationFault(migration, cause);
  }
}

function migrationFault(migration: Migration, cause: unknown): unknown {
  const { code, message, position } = cause as { code?: string; message?: string; position?: string };
  if (code === undefined || !/^[0-9A-Z]{5}$/.test(code)) return cause;
  const line = position ? migration.sql.slice(0, Number(position)).split("\n").length : undefined;
  const place = line ? `${migration.file}, line ${line}` : migration.file;
  return fault("E_MIGRATION_FAILED", `The migration ${place} failed: ${message} (SQLSTATE ${code}).`, {
    cause,
  });
}
