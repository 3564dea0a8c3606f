import type { ErrorEntry } from "./entry.ts";

/** Of databases, migrations, keys, objects and archives. */
export const dataErrors = {
  E_MIGRATION_FAILED: {
    kind: "system",
    status: 500,
    reason: "A migration's SQL was refused by Postgres.",
    remedy: "Correct the named file and build a new release.",
  },
  E_MIGRATION_NAME: {
    kind: "user",
    status: 400,
    reason: "A migration's file name or number is out of order.",
    remedy: "Name the files 0001_name.sql, 0002_name.sql, … without gaps or repeats.",
  },
  E_MIGRATION_STATEMENTS: {
    kind: "user",
    status: 400,
    reason:
      "A migration begins or ends a transaction, changes its role, or runs outside a transaction and is not one statement.",
    remedy:
      "Give each such statement a file of its own, safe to repeat, as in CREATE INDEX CONCURRENTLY IF NOT EXISTS.",
  },
  E_MIGRATION_BUSY: {
    kind: "system",
    status: 503,
    reason: "The tenant is just being migrated by another run, or its tables were in use for too long.",
    remedy: "Run `rowhouse migrate run` again later; what was applied stays.",
  },
  E_MIGRATION_CHANGED: {
    kind: "user",
    status: 409,
    reason: "A migration that was already applied has changed since.",
    remedy: "Restore the file, and put the change into a new migration.",
  },
  E_DATABASE_UNAVAILABLE: {
    kind: "system",
    status: 503,
    reason: "No node of the database server takes writes.",
    remedy: "Try again in a few seconds; `rowhouse status` shows the servers.",
  },
  E_STANDBY_BEHIND: {
    kind: "system",
    status: 409,
    reason: "No standby of the database server has every acknowledged write, so none may take its place.",
    remedy: "`rowhouse database list` shows when the standby is in sync; try again then.",
  },
  E_DATABASE_BUSY: {
    kind: "system",
    status: 503,
    reason: "No connection to the database came free in time.",
    remedy: "Try again; if it stays so, raise the instance's connection budget.",
  },
  E_STATEMENT_REFUSED: {
    kind: "user",
    status: 400,
    reason: "The statement would change the role or search path of a shared connection.",
    remedy: 'Leave role and search_path alone, or choose a plan with `connections: "own"`.',
  },
  E_DECRYPT: {
    kind: "system",
    status: 500,
    reason: "A secret can't be decrypted with the region's key in this context.",
    remedy: "Restore the region's key file from its backup.",
  },
  E_KEY_FILE: {
    kind: "system",
    status: 500,
    reason: "The region's key file is damaged, missing, or open to others than its owner.",
    remedy:
      "Restore the file from its backup, with mode 0600; without it the region's secrets can't be read.",
  },
  E_KEY_UNAVAILABLE: {
    kind: "system",
    status: 503,
    reason: "The region's KMS key is disabled, waits for its deletion, or is gone.",
    remedy: "Enable the key again, or cancel its deletion, in the KMS console of its region.",
  },
  E_OBJECT_KEY: {
    kind: "user",
    status: 400,
    reason: "A file's key is empty, too long, or tries to leave its prefix.",
    remedy: "Use a relative path without `.` or `..` segments, at most 512 bytes long.",
  },
  E_CONFLICT: {
    kind: "user",
    status: 409,
    reason: "The item was changed by someone else in between.",
    remedy: "Read it again and repeat the change.",
  },
  E_ARCHIVE_FORMAT: {
    kind: "user",
    status: 400,
    reason: "The file is no archive of a tenant.",
    remedy: "Name a file that `rowhouse tenant export` or a backup made.",
  },
  E_ARCHIVE_VERSION: {
    kind: "user",
    status: 400,
    reason: "The archive was made by a newer Rowhouse, in a format that this one does not know.",
    remedy: "Update Rowhouse and try again.",
  },
  E_ARCHIVE_DAMAGED: {
    kind: "user",
    status: 422,
    reason: "The archive is incomplete or was changed since it was made.",
    remedy: "Use another copy or another archive; nothing of this one was put to use.",
  },
  E_ARCHIVE_KEY: {
    kind: "system",
    status: 500,
    reason: "The encrypted archive does not open with this region's keys for this tenant.",
    remedy: "Restore it for its own tenant, in its own region or in that one's recovery region.",
  },
  E_ARCHIVE_UNSUPPORTED: {
    kind: "user",
    status: 409,
    reason: "The tenant's data has something that an archive can't hold.",
    remedy: "Keep such data in tables or files, or remove it, and try again.",
  },
  E_ARCHIVE_SCHEMA: {
    kind: "user",
    status: 409,
    reason: "The archive's tables are not those that the release's migrations make.",
    remedy: "Install a release whose migrations begin with the archive's, unchanged, and try again.",
  },
  E_ARCHIVE_MISMATCH: {
    kind: "system",
    status: 500,
    reason: "The rows that were loaded are not those of the archive; none of them was kept.",
    remedy: "Look for triggers and rules that are always on, and report it.",
  },
  E_BACKUP_NOT_FOUND: {
    kind: "user",
    status: 404,
    reason: "The tenant has no such backup, or none as old as asked for.",
    remedy: "`rowhouse tenant backups <slug>` shows what there is.",
  },
} as const satisfies Record<string, ErrorEntry>;
