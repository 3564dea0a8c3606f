import { tenantBackupsPrefix } from "../../core/backup/key.ts";
import type { Inventory, PartCount, Remainder } from "../../core/closing/certificate.ts";
import type { PartName } from "../../core/closing/steps.ts";
import { tenantQueue } from "../../core/tenant/message.ts";
import type { Clock } from "../../ports/clock.ts";
import { forgetBackups } from "../backup/remove.ts";
import { catalogueOf } from "../backup/source.ts";
import type { RegionContext } from "../region-context.ts";
import { unregisterAddress } from "../signup/address.ts";
import { TenantWorkflows } from "../tenant-workflows.ts";
import { measureObjects, measureRows, sumCounts } from "./measure.ts";

/** One part of what a region has of a tenant. Both methods may be repeated. */
export interface TenantPart {
  readonly name: PartName;
  /** What there is now; no number where nobody can tell. */
  count(slug: string): Promise<PartCount>;
  /** Removes all of it, and returns what can't be removed but goes by itself. */
  remove(slug: string): Promise<readonly Remainder[]>;
}

/** Where a region's objects, and its recovery region's, hold a tenant's files. */
const filePrefix = (slug: string) => `tenants/${slug}/`;

/**
 * All parts of a tenant that a region can have, in the order of their removal. `evenIfAway`: rows that can't be counted
 * just now are not waited for.
 */
export function tenantParts(
  context: RegionContext,
  { evenIfAway = false }: { readonly evenIfAway?: boolean } = {},
): readonly TenantPart[] {
  const { platform } = context;
  const { objects, recovery } = platform;
  return [
    {
      name: "address",
      // Where the wildcard leads, the tenant has no record of its own; either way none is left.
      count: async () => ({ counts: {}, note: "The name leads nowhere that serves the tenant." }),
      remove: (slug) => nothingLeft(unregisterAddress(context, slug)),
    },
    rowsPart(context, evenIfAway),
    {
      name: "files",
      count: (slug) => measureObjects(objects, filePrefix(slug)),
      remove: (slug) => nothingLeft(objects.purge(filePrefix(slug))),
    },
    {
      name: "cache",
      count: async () => ({
        counts: {},
        note: "A cache does not count what it holds; all of it was cleared.",
      }),
      remove: (slug) => nothingLeft(platform.cache.clear(slug)),
    },
    messagesPart(context),
    {
      name: "mail",
      count: async (slug) => ({ counts: { messages: await platform.mail.count(slug) } }),
      remove: (slug) => nothingLeft(platform.mail.forget(slug)),
    },
    {
      name: "backups",
      count: async (slug) => {
        const { counts } = await measureObjects(objects, tenantBackupsPrefix(slug));
        return { counts: { backups: (await catalogueOf(context).everyId(slug)).size, ...counts } };
      },
      // The recovery region's copies go with them.
      remove: (slug) => nothingLeft(forgetBackups(context, slug)),
    },
    {
      name: "copies",
      count: async (slug) =>
        recovery
          ? sumCounts([
              await measureObjects(recovery.objects, filePrefix(slug)),
              await measureObjects(recovery.objects, tenantBackupsPrefix(slug)),
            ])
          : { counts: {}, note: "The region has no recovery region." },
      remove: async (slug) => {
        await recovery?.objects.purge(filePrefix(slug));
        await recovery?.objects.purge(tenantBackupsPrefix(slug));
        return [];
      },
    },
    profilePart(context),
    workflowsPart(context),
  ];
}

/** What there is of the tenant in this region now. */
export async function takeInventory(parts: readonly TenantPart[], slug: string): Promise<Inventory> {
  const inventory: Record<string, PartCount> = {};
  for (const part of parts) inventory[part.name] = await part.count(slug);
  return inventory;
}

function rowsPart(context: RegionContext, evenIfAway: boolean): TenantPart {
  const { platform, locations, tenantData, directory } = context;
  return {
    name: "rows",
    count: (slug) => measureRows(context, slug, evenIfAway),
    remove: async (slug) => {
      for (const location of await locations.findEvery(slug)) await tenantData.drop(location);
      const { keepsDeletedDays = 0 } = platform.databases;
      // A server of the tenant's own takes its backups with it.
      const isGone = keepsDeletedDays === 0 || (await directory.find(slug))?.isolation === "server";
      const leftSeconds = keepsDeletedDays * 86_400;
      const what = "rows in the backups that the database engine makes of whole servers";
      return isGone ? [] : [{ what, until: after(platform.clock, leftSeconds) }];
    },
  };
}

function messagesPart({ platform }: RegionContext): TenantPart {
  const { queues, clock } = platform;
  return {
    name: "messages",
    count: async (slug) => {
      const messages = await queues.countOf(tenantQueue, slug);
      if (messages !== null) return { counts: { messages } };
      return { counts: {}, note: "The queue can't tell whose its messages are." };
    },
    remove: async (slug) => {
      const { leftForSeconds } = await queues.forget(tenantQueue, slug);
      if (leftForSeconds === 0) return [];
      const what = "messages in the queue, which are acknowledged unread";
      return [{ what, until: after(clock, leftForSeconds) }];
    },
  };
}

function profilePart({ pool }: RegionContext): TenantPart {
  return {
    name: "profile",
    count: async (slug) => {
      const { rows } = await pool.query<{ profiles: number; administrators: number }>(
        `SELECT (SELECT count(*)::int FROM profiles WHERE slug = $1) AS profiles,
           (SELECT count(*)::int FROM administrators WHERE slug = $1) AS administrators`,
        [slug],
      );
      return { counts: { ...rows[0] } };
    },
    remove: (slug) =>
      nothingLeft(
        pool.query(
          "WITH profile AS (DELETE FROM profiles WHERE slug = $1) DELETE FROM administrators WHERE slug = $1",
          [slug],
        ),
      ),
  };
}

function workflowsPart({ pool, platform }: RegionContext): TenantPart {
  const known = new TenantWorkflows({ pool, ...platform });
  return {
    name: "workflows",
    count: async (slug) => ({ counts: { workflows: await known.count(slug) } }),
    remove: (slug) => nothingLeft(known.forget(slug)),
  };
}

function after(clock: Clock, seconds: number): string {
  return new Date(clock.now().getTime() + seconds * 1000).toISOString();
}

async function nothingLeft(removal: Promise<unknown>): Promise<readonly Remainder[]> {
  await removal;
  return [];
}
