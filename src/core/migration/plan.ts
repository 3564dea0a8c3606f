import { fault } from "../error.ts";
import { changesRole, controlsTransaction, countStatements, runsOutsideTransaction } from "./transaction.ts";

/** One numbered SQL file. */
export interface Migration {
  /** As in `0001_books.sql`. */
  readonly file: string;
  readonly number: number;
  readonly sql: string;
  /** Hex SHA-256 of the file's bytes. */
  readonly sha256: string;
  /** False: its one statement can't run in a transaction, and is safe to repeat. */
  readonly isTransactional: boolean;
}

/** What a tenant's own ledger says was applied. */
export interface AppliedMigration {
  readonly number: number;
  readonly file: string;
  readonly sha256: string;
}

/**
 * Orders files by number and checks that they run 1, 2, 3 … without gaps, and that one outside a transaction has one
 * statement: a failure between two would leave nobody knowing how far it came.
 * @throws E_MIGRATION_NAME, E_MIGRATION_STATEMENTS
 */
export function orderMigrations(
  files: readonly { file: string; sql: string; sha256: string }[],
): Migration[] {
  const migrations = files.map(({ file, sql, sha256 }) => {
    const match = /^(\d{4})_[a-z0-9_-]+\.sql$/.exec(file);
    if (!match) throw fault("E_MIGRATION_NAME", `The migration "${file}" is not named like 0001_name.sql.`);
    if (changesRole(sql)) {
      throw fault("E_MIGRATION_STATEMENTS", `The migration "${file}" changes the role that it runs as.`, {
        remedy:
          "Leave out SET ROLE, SET SESSION AUTHORIZATION, RESET ALL and DISCARD: a migration runs as the tenant's owner.",
      });
    }
    if (controlsTransaction(sql)) {
      throw fault("E_MIGRATION_STATEMENTS", `The migration "${file}" begins or ends a transaction itself.`, {
        remedy:
          "Leave out BEGIN, COMMIT and ROLLBACK: each file runs in one transaction, with its row in the ledger.",
      });
    }
    const isTransactional = !runsOutsideTransaction(sql);
    if (!isTransactional && countStatements(sql) !== 1) {
      throw fault(
        "E_MIGRATION_STATEMENTS",
        `The migration "${file}" runs outside a transaction and has not one statement.`,
      );
    }
    return { file, sql, sha256, number: Number(match[1]), isTransactional };
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
