import { applyMigrations, readMigrations } from "../../src/postgres/migrate.ts";
import { createTestDatabase, type TestDatabase } from "./database.ts";

/** A fresh database with the directory's tables. */
export async function createDirectoryDatabase(): Promise<TestDatabase> {
  const database = await createTestDatabase();
  const migrations = await readMigrations(new URL("../../src/control/sql/directory/", import.meta.url));
  const ledger = { ledgerSchema: "public", ledgerTable: "migrations" };
  await database.pool.use((client) => applyMigrations(client, migrations, ledger));
  return database;
}
