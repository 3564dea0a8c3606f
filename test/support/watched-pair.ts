import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { expect } from "vitest";
import type { EmbeddedDatabases } from "../../src/embedded/databases.ts";
import type { DatabaseServerStatus } from "../../src/ports/databases.ts";
import type { WriterPool } from "../../src/postgres/pool.ts";
import { createMachine, type Machine, numbersIn, openPool, pids, startWriting } from "./database-machine.ts";

/** The zones of test servers. */
export const zones = ["a", "b"] as const;
/** For `expect.poll` of what a pair of Postgres servers needs some seconds for. */
export const atLength = { timeout: 20_000, interval: 20 };

/** A database server on a machine of its own, and the engine that watches its primary and standby. */
export class WatchedPair {
  readonly name = "shared-1";
  readonly machine: Machine;
  /** A test may put another engine in its place. */
  databases: EmbeddedDatabases;
  readonly pool: WriterPool;

  private constructor(parts: Pick<WatchedPair, "machine" | "databases" | "pool">) {
    this.machine = parts.machine;
    this.databases = parts.databases;
    this.pool = parts.pool;
  }

  static async create(): Promise<WatchedPair> {
    const machine = await createMachine();
    const databases = await machine.engine();
    databases.watch();
    await databases.create({ name: "shared-1", zones });
    return new WatchedPair({ machine, databases, pool: await openPool(databases, "shared-1") });
  }

  async dispose(): Promise<void> {
    await this.pool.end();
    await this.machine.dispose();
  }

  status(): Promise<DatabaseServerStatus | undefined> {
    return this.databases.describe(this.name);
  }

  /** Waits until both nodes run and are in sync. */
  async isWhole(): Promise<void> {
    await expect.poll(async () => (await this.status())?.status, atLength).toBe("available");
  }

  pids(): Promise<{ primary: number; standby: number }> {
    return pids(this.databases, this.name);
  }

  /** What its record says: whether the standby has all that was acknowledged. */
  async saysInSync(): Promise<boolean> {
    return JSON.parse(await readFile(this.path("server.json"), "utf8")).inSync;
  }

  async zones(): Promise<{ primary: string; standby: string }> {
    const found = await this.status();
    return { primary: found!.primary!.zone, standby: found!.standby!.zone };
  }

  /** What its engines said after the first `from` messages. */
  said(from: number): string {
    return this.machine.said.slice(from).join("\n");
  }

  /** Where its nodes' data folders and its record are. */
  path(...parts: string[]): string {
    return join(this.machine.folder, this.name, ...parts);
  }

  startWriting(table: string): ReturnType<typeof startWriting> {
    return startWriting(this.pool, table);
  }

  numbersIn(table: string): Promise<number[]> {
    return numbersIn(this.pool, table);
  }
}
