import { fault } from "../error.ts";

/** One numbered SQL file. */
export interface Migration {
  /** As in `0001_books.sql`. */
  readonly file: string;
  readonly number: number;
  readonly sql: string;
  /** Hex SHA-256 of the file's bytes. */
  readonly sha256: string;
}

/** What a tenant's own ledger says was applied. */
export interface AppliedMigration {
  readonly number: number;
  readonly file: string;
  readonly sha256: string;
}

/**
 * Orders files by number and checks that they run 1, 2, 3 … without gaps.
 * @throws E_MIGRATION_NAME
 */
export function orderMigrations(
  files: readonly { file: string; sql: string; sha256: string }[],
): Migration[] {
  const migrations = files.map(({ file, sql, sha256 }) => {
    const match = /^(\d{4})_[a-z0-9_-]+\.sql$/.exec(file);
    if (!match) throw fault("E_MIGRATION_NAME", `The migration "${file}" is not named like 0001_name.sql.`);
    return { file, sql, sha256, number: Number(match[1]) };
  });
  migrations.sort((a, b) => a.number - b.number);
  for (const [index, migration] of migrations.entries()) {
    if (migration.number !== index + 1) {
      throw fault(
        "E_MIGRATION_NAME",
        `The migration "${migration.file}" should have the number ${index + 1}.`,
      );
    }
  }
  return migrations;
}

/**
 * What is still to be applied.
 * @throws E_MIGRATION_CHANGED when an applied file's bytes differ from the release's
 */
export function pendingMigrations(
  all: readonly Migration[],
  applied: readonly AppliedMigration[],
): Migration[] {
  const known = new Map(applied.map((migration) => [migration.number, migration]));
  for (const migration of all) {
    const was = known.get(migration.number);
    if (was && was.sha256 !== migration.sha256) {
      throw fault(
        "E_MIGRATION_CHANGED",
        `The migration "${migration.file}" was already applied, and has changed since.`,
      );
    }
  }
  return all.filter((migration) => !known.has(migration.number));
}
