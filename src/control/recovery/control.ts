import { toRowhouseError } from "../../core/error.ts";
import type { FailOverStep } from "../../core/recovery/steps.ts";
import type { DirectoryEntry } from "../../core/tenant/tenant.ts";
import { adoptBackups } from "../backup/rebuild.ts";
import { copyEntries } from "../directory.ts";
import type { RegionContext } from "../region-context.ts";
import { registerAddress } from "../signup/address.ts";
import { adoptTenants, hasControlDatabase } from "./adopt.ts";
import { countPending } from "./carry.ts";
import { restoreFromBackup } from "./from-backup.ts";
import { renewLogins, tryLogins } from "./logins.ts";
import type { FailedTenant, RecoveredTenant, TakeOverReport } from "./outcome.ts";
import { type Loss, promoteStandbys, type RecoveredServer } from "./promote.ts";
import type { RegionStates } from "./region-states.ts";

/** What a recovery region does for one that was lost. Every method may be repeated after a crash at any moment. */
export interface RecoveryControl {
  /** Brings the lost region's tenants back in this one; returns when each of them is served, or named as failed. */
  takeOver(loss: Loss): Promise<TakeOverReport>;
  /** Gives each of these tenants a name of its own that leads here, whatever the region's or the zone's default does. */
  keepAddresses(command: { readonly slugs: readonly string[] }): Promise<void>;
  /** Removes the servers that were taken over and that no tenant has anything on any more; returns their names. */
  dropEmptyServers(query: { readonly source: string }): Promise<readonly string[]>;
}

type OnStep = (step: FailOverStep) => Promise<void>;

export function recoveryControl(
  context: RegionContext,
  parts: {
    readonly states: RegionStates;
    readonly onFault: (error: unknown) => void;
    /** Told before each step. */
    readonly onStep?: OnStep;
  },
): RecoveryControl {
  return {
    takeOver: (loss) => takeOver(context, { onStep: async () => {}, ...parts }, loss),
    keepAddresses: async ({ slugs }) => {
      for (const slug of slugs) await registerAddress(context, slug);
    },
    dropEmptyServers: ({ source }) => dropEmptyServers(context, source),
  };
}

async function takeOver(
  context: RegionContext,
  parts: {
    readonly states: RegionStates;
    readonly onFault: (error: unknown) => void;
    readonly onStep: OnStep;
  },
  loss: Loss,
): Promise<TakeOverReport> {
  const { states, onFault, onStep } = parts;
  const { source } = loss;
  const { locations, pool } = context;
  const entries = await states.tenantsToRecover(source, context.name);
  const living = entries.filter(({ state }) => state !== "closed");
  const slugs = entries.map(({ slug }) => slug);

  await onStep("promote");
  const servers = await promoteStandbys(context, loss, onFault);
  await onStep("adopt");
  // Those that were taken over already have gone on from there: a repeat must not bring back what they had then.
  const arriving = entries.filter(({ region }) => region === source);
  await adoptTenants(
    context,
    servers,
    arriving.map(({ slug }) => slug),
  );
  await onStep("logins");
  const names = new Set(servers.map(({ name }) => name));
  const onStandby = (await locations.findAll(slugs)).filter(({ server }) => names.has(server));
  await prepareServers(context, servers);
  await renewLogins(context, onStandby);
  await onStep("restore");
  const came = new Map(onStandby.map((location) => [location.slug, location]));
  const restored = await restoreOthers(
    context,
    living.filter(({ slug }) => !came.has(slug)),
    source,
  );
  await onStep("switch");
  await switchOver(context, states, source, entries, new Set(restored.failed.map(({ slug }) => slug)));
  await onStep("verify");
  const unreachable = await tryLogins(context, onStandby);
  const refused = new Set(unreachable.map(({ slug }) => slug));
  const untilOf = new Map(servers.map(({ name, arrivedUntil }) => [name, arrivedUntil]));
  const byStandby = living.flatMap(({ slug }): RecoveredTenant[] => {
    const location = came.get(slug);
    if (!location || refused.has(slug)) return [];
    const until = untilOf.get(location.server);
    return [{ slug, way: "standby", arrivedUntil: until?.toISOString() ?? null }];
  });
  // What else lies here of the lost region's backups need not be known before its tenants are served.
  void adoptBackups(context, source).catch(onFault);
  return {
    tenants: [...byStandby, ...restored.tenants],
    failed: [...restored.failed, ...unreachable],
    ...(hasControlDatabase(servers) ? await countPending(pool, slugs) : { mail: null, messages: null }),
  };
}

/** Those with databases of many tenants get this region's own logins for them. */
async function prepareServers(context: RegionContext, servers: readonly RecoveredServer[]): Promise<void> {
  const { rows } = await context.pool.query<{ server: string }>(
    "SELECT DISTINCT server FROM data_locations WHERE isolation <> 'server' AND server = ANY ($1)",
    [servers.map(({ name }) => name)],
  );
  await Promise.all(rows.map(({ server }) => context.tenantData.prepareSharedServer(server)));
}

async function restoreOthers(
  context: RegionContext,
  entries: readonly DirectoryEntry[],
  source: string,
): Promise<{ readonly tenants: RecoveredTenant[]; readonly failed: FailedTenant[] }> {
  const tenants: RecoveredTenant[] = [];
  const failed: FailedTenant[] = [];
  if (entries.length > 0) await adoptBackups(context, source);
  for (const entry of entries) {
    const { slug } = entry;
    try {
      const takenAt = await restoreFromBackup(context, entry);
      tenants.push({ slug, way: "backup", arrivedUntil: takenAt.toISOString() });
    } catch (error) {
      failed.push({ slug, error: toRowhouseError(error).message });
    }
  }
  return { tenants, failed };
}

/** All at once, and with this region's own copy: from here on its instances serve them. Closed ones come along as such. */
async function switchOver(
  context: RegionContext,
  states: RegionStates,
  source: string,
  entries: readonly DirectoryEntry[],
  failed: ReadonlySet<string>,
): Promise<void> {
  const { locations, pool, name } = context;
  const found = new Map(
    (await locations.findAll(entries.map(({ slug }) => slug))).map((one) => [one.slug, one]),
  );
  const homes = entries.flatMap(({ slug, schemaVersion, state }) => {
    const location = found.get(slug);
    if ((!location && state !== "closed") || failed.has(slug)) return [];
    return [
      { slug, server: location?.server ?? null, schemaVersion: location?.schemaVersion ?? schemaVersion },
    ];
  });
  await copyEntries(pool, await states.rehomeAll(source, name, homes));
  // A crash may have come between the two: the rows that the directory has already are copied again.
  const settled = await states.tenantsToRecover(source, name);
  await copyEntries(
    pool,
    settled.filter(({ region }) => region === name),
  );
}

async function dropEmptyServers(context: RegionContext, source: string): Promise<readonly string[]> {
  const { pool, platform, administration } = context;
  const { rows } = await pool.query<{ name: string }>(
    `SELECT name FROM recovered_servers r WHERE source = $1
       AND NOT EXISTS (SELECT FROM data_locations d WHERE d.server = r.name AND (d.phase <> 'retired' OR d.slug IS NOT NULL))`,
    [source],
  );
  for (const { name } of rows) {
    await administration.forget(name);
    await platform.databases.delete(name);
    await pool.query("DELETE FROM data_locations WHERE server = $1", [name]);
    for (const table of ["shared_logins", "migrator_logins"])
      await pool.query(`DELETE FROM ${table} WHERE server = $1`, [name]);
    await pool.query("DELETE FROM recovered_servers WHERE name = $1", [name]);
  }
  return rows.map(({ name }) => name);
}
