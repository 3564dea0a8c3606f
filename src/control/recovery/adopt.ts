import type { Queryable } from "../../postgres/pool.ts";
import { generatePassword } from "../../postgres/scram.ts";
import { firstSharedServer, type RegionContext } from "../region-context.ts";
import { roleContext } from "../tenant-data/locations.ts";
import { carryTenants } from "./carry.ts";
import type { RecoveredServer } from "./promote.ts";

/** The database of every region that says who its tenants are; it lies on the region's first shared server. */
const regionDatabase = "rowhouse_region";

/** A row of the lost region's `data_locations`, without its sealed passwords. */
interface LostLocation {
  readonly id: string;
  readonly slug: string | null;
  readonly isolation: string;
  readonly server: string;
  readonly database: string;
  readonly schema: string;
  readonly owner_role: string;
  readonly app_role: string;
  readonly schema_version: number;
  readonly migrations: string;
  readonly ready: boolean;
  readonly phase: string;
}

/**
 * Takes over what the lost region's control database says: who these tenants are, and where on the promoted servers
 * their rows lie, with new passwords under this region's key. Spares, and what a move or restore left or prepared, are
 * written down as retired: they go with the next sweep. Does nothing when that database did not come along.
 */
export async function adoptTenants(
  context: RegionContext,
  servers: readonly RecoveredServer[],
  slugs: readonly string[],
): Promise<void> {
  const control = servers.find(isControlServer);
  if (!control) return;
  const lost = await context.administration.pool(control.name, regionDatabase);
  const names = new Map(servers.map(({ server, name }) => [server, name]));
  const { rows } = await lost.query<LostLocation>(
    `SELECT id, slug, isolation, server, database, schema, owner_role, app_role, schema_version, migrations, ready, phase
     FROM data_locations WHERE server = ANY ($1)`,
    [[...names.keys()]],
  );
  const wanted = new Set(slugs);
  const known = await knownIds(context.pool, rows);
  const fresh = rows.filter(({ id }) => !known.has(id));
  const seal = (role: string) => context.platform.keys.encrypt(generatePassword(), roleContext(role));
  const adopted = await Promise.all(
    fresh.map(async (row) => {
      const isCurrent = row.phase === "current" && row.ready && row.slug !== null && wanted.has(row.slug);
      return {
        ...row,
        slug: isCurrent ? row.slug : null,
        phase: isCurrent ? "current" : "retired",
        server: names.get(row.server),
        owner_password: await seal(row.owner_role),
        app_password: await seal(row.app_role),
      };
    }),
  );
  await context.pool.query(
    `INSERT INTO data_locations (id, slug, isolation, server, database, schema, owner_role, owner_password, app_role,
       app_password, schema_version, migrations, ready, phase, retired_at)
     SELECT id, slug, isolation, server, database, schema, owner_role, owner_password, app_role, app_password,
       schema_version, migrations, ready, phase, CASE phase WHEN 'retired' THEN now() END
     FROM jsonb_populate_recordset(NULL::data_locations, $1) ON CONFLICT DO NOTHING`,
    [JSON.stringify(adopted)],
  );
  await carryTenants(lost, context.pool, slugs);
}

/** Whether the lost region's control database came along. */
export function hasControlDatabase(servers: readonly RecoveredServer[]): boolean {
  return servers.some(isControlServer);
}

function isControlServer({ server }: RecoveredServer): boolean {
  return server === firstSharedServer;
}

async function knownIds(pool: Queryable, rows: readonly { readonly id: string }[]): Promise<Set<string>> {
  const { rows: known } = await pool.query<{ id: string }>(
    "SELECT id FROM data_locations WHERE id = ANY ($1)",
    [rows.map(({ id }) => id)],
  );
  return new Set(known.map(({ id }) => id));
}
