import { DatabaseSync, type StatementSync } from "node:sqlite";
import { setTimeout as sleep } from "node:timers/promises";
import { fault } from "../core/error.ts";
import { isBusy } from "./file-lock.ts";

/** One version as the index knows it. Its body's file is named by the version's id. */
export interface IndexedVersion {
  readonly key: string;
  readonly versionId: string;
  readonly size: number;
  readonly etag: string;
  readonly contentType: string;
  readonly lastModified: Date;
}

/** One version's place among all, by key and age. */
export interface VersionPlace {
  readonly key: string;
  readonly sequence: number;
}

/** What must hold of a key's current version for a write to happen: free, or exactly that ETag. */
export type WriteCondition = { readonly ifNoneMatch: "*" } | { readonly ifMatch: string } | undefined;

/** Keys are bytes: they sort as S3 sorts, and mean nothing to any file system. A row without a size is a delete marker. */
const schema = `
  CREATE TABLE IF NOT EXISTS versions (
    sequence      INTEGER PRIMARY KEY AUTOINCREMENT,
    key           BLOB NOT NULL,
    version_id    TEXT NOT NULL UNIQUE,
    size          INTEGER,
    etag          TEXT,
    content_type  TEXT,
    last_modified INTEGER,
    is_current    INTEGER NOT NULL
  ) STRICT;
  CREATE INDEX IF NOT EXISTS versions_by_key ON versions (key, sequence);
  CREATE UNIQUE INDEX IF NOT EXISTS versions_current ON versions (key) WHERE is_current;`;

const columns = "key, version_id, size, etag, content_type, last_modified";

/** SQLite's own wait for a lock blocks the event loop, so it is short; what takes longer is waited for outside. */
const blockingWaitMilliseconds = 10;
const busyDeadlineMilliseconds = 30_000;

/** Larger than every byte of UTF-8: what starts with a prefix sorts before the prefix and this. */
const afterUtf8 = 0xff;

interface Job {
  run(): void;
  done(): void;
  failed(error: unknown): void;
}

/** Which objects there are: an SQLite file that any number of processes share. A change is in it whole or not at all. */
export class ObjectIndex {
  readonly #database: DatabaseSync;
  readonly #statements = new Map<string, StatementSync>();
  #queue: Job[] = [];
  #draining: Promise<void> | undefined;

  constructor(file: string) {
    this.#database = new DatabaseSync(file, { timeout: busyDeadlineMilliseconds });
    this.#database.exec("PRAGMA journal_mode = WAL");
    // Each commit is on the disk before it is acknowledged.
    this.#database.exec("PRAGMA synchronous = FULL");
    this.#database.exec(`BEGIN IMMEDIATE; ${schema} COMMIT`);
    this.#database.exec(`PRAGMA busy_timeout = ${blockingWaitMilliseconds}`);
  }

  async current(key: string): Promise<IndexedVersion | undefined> {
    const row = await retryWhileBusy(() =>
      this.#prepare(`SELECT ${columns} FROM versions WHERE key = ? AND is_current`).get(bytes(key)),
    );
    return row && toVersion(row);
  }

  async version(key: string, versionId: string): Promise<IndexedVersion | undefined> {
    const sql = `SELECT ${columns} FROM versions WHERE version_id = ? AND key = ? AND size IS NOT NULL`;
    const row = await retryWhileBusy(() => this.#prepare(sql).get(versionId, bytes(key)));
    return row && toVersion(row);
  }

  async versions(key: string): Promise<IndexedVersion[]> {
    const sql = `SELECT ${columns} FROM versions WHERE key = ? AND size IS NOT NULL ORDER BY sequence DESC`;
    return (await retryWhileBusy(() => this.#prepare(sql).all(bytes(key)))).map(toVersion);
  }

  async list(prefix: string, after: string, limit: number): Promise<IndexedVersion[]> {
    // One lower bound: given two, SQLite would seek to the first and walk to the second.
    const first = Buffer.compare(bytes(after), bytes(prefix)) < 0 ? bytes(prefix) : successor(after);
    const sql = `SELECT ${columns} FROM versions WHERE is_current AND key >= ? AND key < ? ORDER BY key LIMIT ?`;
    const rows = await retryWhileBusy(() => this.#prepare(sql).all(first, prefixEnd(prefix), limit));
    return rows.map(toVersion);
  }

  /** Versions with a body under the prefix, by key and age, each with its place in that order; after a place. */
  async versionsUnder(
    prefix: string,
    after: VersionPlace | undefined,
    limit: number,
  ): Promise<(IndexedVersion & { readonly sequence: number })[]> {
    const sql = `SELECT sequence, ${columns} FROM versions
      WHERE (key, sequence) > (?, ?) AND key < ? AND size IS NOT NULL ORDER BY key, sequence LIMIT ?`;
    const [key, sequence] = after ? [bytes(after.key), after.sequence] : [bytes(prefix), 0];
    const rows = await retryWhileBusy(() => this.#prepare(sql).all(key, sequence, prefixEnd(prefix), limit));
    return rows.map((row) => ({ ...toVersion(row), sequence: Number(row.sequence) }));
  }

  /** Which version ids there are from `first` on and before `end`: for the sweep of bodies. */
  async versionIds(first: string, end: string): Promise<ReadonlySet<string>> {
    const sql =
      "SELECT version_id FROM versions WHERE version_id >= ? AND version_id < ? AND size IS NOT NULL";
    const rows = await retryWhileBusy(() => this.#prepare(sql).all(first, end));
    return new Set(rows.map((row) => String(row.version_id)));
  }

  /** Makes the version the current one; false when the condition does not hold. */
  add(version: IndexedVersion, condition: WriteCondition): Promise<boolean> {
    return this.#write(() => {
      const key = bytes(version.key);
      const current = this.#prepare("SELECT etag FROM versions WHERE key = ? AND is_current").get(key);
      if (condition && "ifNoneMatch" in condition && current) return false;
      if (condition && "ifMatch" in condition && current?.etag !== condition.ifMatch) return false;
      this.#prepare("UPDATE versions SET is_current = 0 WHERE key = ? AND is_current").run(key);
      this.#prepare(`INSERT INTO versions (${columns}, is_current) VALUES (?, ?, ?, ?, ?, ?, 1)`).run(
        key,
        version.versionId,
        version.size,
        version.etag,
        version.contentType,
        version.lastModified.getTime(),
      );
      return true;
    });
  }

  /** Puts a delete marker over the current version. */
  hide(key: string, markerId: string): Promise<void> {
    return this.#write(() => {
      const { changes } = this.#prepare(
        "UPDATE versions SET is_current = 0 WHERE key = ? AND is_current",
      ).run(bytes(key));
      if (changes === 0) return;
      this.#prepare("INSERT INTO versions (key, version_id, is_current) VALUES (?, ?, 0)").run(
        bytes(key),
        markerId,
      );
    });
  }

  /** Removes one version; the newest that is left becomes the current one, unless it is a delete marker. */
  remove(key: string, versionId: string): Promise<boolean> {
    return this.#write(() => {
      const target = bytes(key);
      const { changes } = this.#prepare(
        "DELETE FROM versions WHERE version_id = ? AND key = ? AND size IS NOT NULL",
      ).run(versionId, target);
      if (changes === 0) return false;
      this.#prepare(`UPDATE versions SET is_current = 1 WHERE size IS NOT NULL AND NOT is_current
        AND sequence = (SELECT max(sequence) FROM versions WHERE key = ?)`).run(target);
      // Delete markers over nothing have nothing left to hide.
      this.#prepare(`DELETE FROM versions WHERE key = ?
        AND NOT EXISTS (SELECT 1 FROM versions WHERE key = ? AND size IS NOT NULL)`).run(target, target);
      return true;
    });
  }

  /** Removes up to `limit` versions under the prefix, delete markers included, and returns the ids of those with a body. */
  removeUnder(
    prefix: string,
    limit: number,
  ): Promise<{ readonly removed: number; readonly versionIds: readonly string[] }> {
    return this.#write(() => {
      const rows = this.#prepare(`DELETE FROM versions WHERE sequence IN
          (SELECT sequence FROM versions WHERE key >= ? AND key < ? LIMIT ?) RETURNING version_id, size`).all(
        bytes(prefix),
        prefixEnd(prefix),
        limit,
      );
      const versionIds = rows.filter((row) => row.size !== null).map((row) => String(row.version_id));
      return { removed: rows.length, versionIds };
    });
  }

  /** Waits for writes under way. */
  async close(): Promise<void> {
    while (this.#draining) await this.#draining;
    this.#database.close();
  }

  /** Runs `work` in a transaction. Those that wait at the same time share one, and so one wait for the disk. */
  #write<T>(work: () => T): Promise<T> {
    return new Promise((resolve, reject) => {
      let result: T;
      this.#queue.push({
        run: () => {
          result = work();
        },
        done: () => resolve(result),
        failed: reject,
      });
      this.#draining ??= this.#drain();
    });
  }

  async #drain(): Promise<void> {
    while (this.#queue.length > 0) {
      // Lets all that was asked for in this turn of the event loop come along.
      await new Promise((resolve) => setImmediate(resolve));
      const jobs = this.#queue;
      this.#queue = [];
      try {
        await retryWhileBusy(() => this.#runAll(jobs));
        for (const job of jobs) job.done();
      } catch (error) {
        for (const job of jobs) job.failed(error);
      }
    }
    this.#draining = undefined;
  }

  #runAll(jobs: readonly Job[]): void {
    this.#database.exec("BEGIN IMMEDIATE");
    try {
      for (const job of jobs) job.run();
      this.#database.exec("COMMIT");
    } catch (error) {
      if (this.#database.isTransaction) this.#database.exec("ROLLBACK");
      throw error;
    }
  }

  #prepare(sql: string): StatementSync {
    const known = this.#statements.get(sql);
    if (known) return known;
    const statement = this.#database.prepare(sql);
    this.#statements.set(sql, statement);
    return statement;
  }
}

/** SQLITE_FULL, sqlite.org/rescode.html. */
const full = 13;

async function retryWhileBusy<T>(work: () => T): Promise<T> {
  for (const deadline = performance.now() + busyDeadlineMilliseconds; ; ) {
    try {
      return work();
    } catch (error) {
      if ((error as { errcode?: unknown }).errcode === full)
        throw fault("E_DISK_FULL", undefined, { cause: error });
      if (!isBusy(error) || performance.now() > deadline) throw error;
    }
    // Of differing length, so that two processes don't meet again and again.
    await sleep(1 + Math.random() * 5);
  }
}

function bytes(key: string): Buffer {
  return Buffer.from(key, "utf8");
}

/** The least key that sorts after this one. */
function successor(key: string): Buffer {
  return Buffer.concat([bytes(key), Buffer.of(0)]);
}

function prefixEnd(prefix: string): Buffer {
  return Buffer.concat([bytes(prefix), Buffer.of(afterUtf8)]);
}

function toVersion(row: Record<string, unknown>): IndexedVersion {
  return {
    key: Buffer.from(row.key as Uint8Array).toString("utf8"),
    versionId: String(row.version_id),
    size: Number(row.size),
    etag: String(row.etag),
    contentType: String(row.content_type),
    lastModified: new Date(Number(row.last_modified)),
  };
}
