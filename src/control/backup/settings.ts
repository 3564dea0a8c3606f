import type { Queryable } from "../../postgres/pool.ts";

/** Gives a tenant other settings. */
export async function setSettings(
  pool: Queryable,
  slug: string,
  settings: Readonly<Record<string, unknown>>,
): Promise<void> {
  await pool.query("UPDATE profiles SET settings = $2 WHERE slug = $1", [slug, JSON.stringify(settings)]);
}
