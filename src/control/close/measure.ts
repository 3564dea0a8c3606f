import type { PartCount } from "../../core/closing/certificate.ts";
import { RowhouseError } from "../../core/error.ts";
import type { Objects } from "../../ports/objects.ts";
import { isConnectionLoss } from "../../postgres/connect.ts";
import { listTables, ownRows } from "../../postgres/tables.ts";
import type { RegionContext } from "../region-context.ts";
import type { StoredLocation } from "../tenant-data/locations.ts";

/** How many objects and versions there are under the prefix, hidden ones too, and their bytes in all. */
export async function measureObjects(objects: Objects, prefix: string): Promise<PartCount> {
  const keys = new Set<string>();
  let [versions, bytes] = [0, 0];
  for (let after: string | undefined, isFirst = true; isFirst || after !== undefined; isFirst = false) {
    const page = await objects.listVersions({ prefix, ...(after === undefined ? {} : { after }) });
    for (const { key, size } of page.versions) {
      keys.add(key);
      versions++;
      bytes += size;
    }
    after = page.next;
  }
  return { counts: { objects: keys.size, versions, bytes } };
}

/** The sum of several counts, name by name. */
export function sumCounts(parts: readonly PartCount[]): PartCount {
  const counts: Record<string, number> = {};
  for (const part of parts)
    for (const [name, count] of Object.entries(part.counts)) counts[name] = (counts[name] ?? 0) + count;
  return { counts };
}

/**
 * What is at the tenant's places: one that can't be read counts as a place, with the reason as a note.
 * @throws what may pass, as E_DATABASE_UNAVAILABLE, unless `evenIfAway`
 */
export async function measureRows(
  context: Pick<RegionContext, "administration" | "locations">,
  slug: string,
  evenIfAway: boolean,
): Promise<PartCount> {
  const places = await context.locations.findEvery(slug);
  const counts = { places: places.length, roles: 0, tables: 0, rows: 0, bytes: 0 };
  const notes: string[] = [];
  let tables: { readonly name: string; readonly rows: number }[] = [];
  for (const place of places) {
    try {
      const found = await measurePlace(context, place);
      counts.roles += found.roles;
      counts.bytes += found.bytes;
      counts.tables += found.tables.length;
      counts.rows += found.tables.reduce((sum, { rows }) => sum + rows, 0);
      // Of several places, one alone is what the tenant was served from, and the others are copies of it.
      if (found.tables.length >= tables.length) tables = found.tables;
    } catch (error) {
      if (isPassing(error) && !evenIfAway) throw error;
      notes.push(`${place.server}/${place.database}: ${reasonOf(error)}`);
    }
  }
  return {
    counts,
    ...(places.length > 0 && { tables }),
    ...(notes.length > 0 && { note: `Could not be counted: ${notes.join(" ")}` }),
  };
}

async function measurePlace(
  { administration }: Pick<RegionContext, "administration">,
  place: StoredLocation,
) {
  const pool = await administration.pool(place.server, place.database);
  return pool.use(async (client) => {
    const tables: { name: string; rows: number }[] = [];
    for (const table of await listTables(client, place.schema)) {
      const { rows } = await client.query<{ rows: string }>(
        `SELECT count(*) AS rows FROM ${ownRows(place.schema, table)}`,
      );
      tables.push({ name: table.name, rows: Number(rows[0]?.rows) });
    }
    const { rows } = await client.query<{ bytes: string; roles: number }>(
      `SELECT (SELECT count(*)::int FROM pg_roles WHERE rolname IN ($2, $3)) AS roles,
         CASE WHEN $4 THEN (SELECT coalesce(sum(pg_total_relation_size(c.oid)), 0) FROM pg_class c
             WHERE relnamespace = to_regnamespace($1) AND relkind IN ('r', 'm', 'S'))
           ELSE pg_database_size(current_database()) END AS bytes`,
      [`"${place.schema}"`, place.ownerRole, place.appRole, place.isolation === "schema"],
    );
    return { tables, roles: rows[0]?.roles ?? 0, bytes: Number(rows[0]?.bytes ?? 0) };
  });
}

/** The fault lies in what is away just now, and not in the tenant's data: worth waiting for. */
export function isPassing(error: unknown): boolean {
  if (isConnectionLoss(error)) return true;
  return (
    error instanceof RowhouseError &&
    /^E_(AWS_|DATABASE_|DISK_FULL|KEY_UNAVAILABLE|REGION_UNAVAILABLE)/.test(error.code)
  );
}

/** Why something failed, without what to do about it. */
export function reasonOf(error: unknown): string {
  if (error instanceof RowhouseError) return error.reason;
  return error instanceof Error ? `${error.message.replace(/[.\s]*$/, "")}.` : String(error);
}
