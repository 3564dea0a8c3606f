import type { RegionContext } from "../region-context.ts";
import { lockOut } from "../relocation/lock-out.ts";
import { isPassing, reasonOf } from "./measure.ts";

/**
 * Ends what the tenant's sessions are doing, and lets none of them in again, so that nothing is acknowledged that the
 * last export lacks. Returns what kept it from doing so at a place that is missing or broken.
 * @throws what may pass, unless `evenIfAway`
 */
export async function lockOutTenant(
  context: RegionContext,
  slug: string,
  evenIfAway: boolean,
): Promise<readonly string[]> {
  const { locations, administration } = context;
  const problems: string[] = [];
  for (const location of await locations.findEvery(slug)) {
    try {
      const pool = await administration.pool(location.server, location.database);
      await lockOut(pool, location, "all");
      // Sessions of a shared login serve others too: those alone end that hold something of this tenant.
      await pool.query(
        `SELECT pg_terminate_backend(pid, 5000) FROM (
           SELECT DISTINCT pid FROM pg_locks
           JOIN pg_class ON pg_class.oid = relation JOIN pg_database ON pg_database.oid = database
           WHERE relnamespace = to_regnamespace($1) AND datname = current_database() AND pid <> pg_backend_pid())`,
        [`"${location.schema}"`],
      );
    } catch (error) {
      if (isPassing(error) && !evenIfAway) throw error;
      problems.push(`${location.server}/${location.database}: ${reasonOf(error)}`);
    }
  }
  return problems;
}
