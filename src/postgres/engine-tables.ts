import { applyMigrations, readMigrations } from "./migrate.ts";
import type { WriterPool } from "./pool.ts";

/**
 * Brings one engine's tables, in the schema `engine`, up to date from its `folder` of numbered SQL files. Safe to
 * call at every start, and from several processes at once.
 * @throws E_MIGRATION_FAILED, E_MIGRATION_CHANGED, E_DATABASE_UNAVAILABLE
 */
export async function prepareEngineTables(pool: WriterPool, noun: string, folder: URL): Promise<void> {
  const migrations = await readMigrations(folder);
  await pool.use(async (client) => {
    // Two callers that create the same schema or table at once would fail in the catalog's unique indexes.
    await client.query("SELECT pg_advisory_lock(hashtextextended('rowhouse.engine', 0))");
    try {
      await client.query("CREATE SCHEMA IF NOT EXISTS engine");
      await applyMigrations(client, migrations, {
        ledgerSchema: "engine",
        ledgerTable: `migrations_${noun}`,
      });
    } finally {
      await client.query("SELECT pg_advisory_unlock(hashtextextended('rowhouse.engine', 0))").catch(() => {});
    }
  });
}
