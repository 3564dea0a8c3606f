import { applyMigrations, readMigrations } from "../postgres/migrate.ts";
import type { WriterPool } from "../postgres/pool.ts";

/** Brings a control database's tables up to date: the directory's, or a region's. Safe to call at every start. */
export async function prepareControlSchema(pool: WriterPool, schema: "directory" | "region"): Promise<void> {
  const migrations = await readMigrations(new URL(`./sql/${schema}/`, import.meta.url));
  await pool.use(async (client) => {
    await applyMigrations(client, migrations, { ledgerSchema: "public", ledgerTable: "migrations" });
  });
}
