import { toRowhouseError } from "../../core/error.ts";
import type { TenantState } from "../../core/tenant/lifecycle.ts";
import type { ListedObject, Objects } from "../../ports/objects.ts";
import type { RegionContext } from "../region-context.ts";

const prefix = "tenants/";

/** Whose files are copied; while a tenant moves its files are at two places, and neither is the other's copy. */
const copiedStates: ReadonlySet<TenantState> = new Set(["active", "suspended"]);
const endedStates: ReadonlySet<TenantState> = new Set(["closing", "closed"]);

/**
 * Makes the files of this region's own tenants the same in its recovery region: what was written since, and what was
 * deleted. Of a tenant that lives elsewhere by now nothing is touched: the file there may be the only one. Returns how
 * many files changed there.
 */
export async function copyFiles(context: RegionContext): Promise<number> {
  const { platform } = context;
  const { objects, recovery } = platform;
  if (!recovery || recovery.replicatesFiles) return 0;
  const states = await tenantStates(context);
  let changed = 0;
  for await (const { key, here, there } of compare(objects, recovery.objects)) {
    const slug = key.split("/")[1] ?? "";
    const state = states.get(slug);
    if (!state || here?.etag === there?.etag) continue;
    // Asked anew: it may have moved there since the pass began.
    const now = await stateHere(context, slug);
    if (here && now && copiedStates.has(now)) {
      changed += (await copy({ key, from: objects, into: recovery.objects, over: there })) ? 1 : 0;
    } else if (!here && now && endedStates.has(now)) {
      await recovery.objects.purge(`${prefix}${slug}/`);
      changed++;
    } else if (!here && now && copiedStates.has(now)) {
      await recovery.objects.delete(key);
      changed++;
    }
  }
  return changed;
}

/** Replaces the version that was listed, and no newer one: that may be of a tenant who has moved there meanwhile. */
async function copy(file: {
  readonly key: string;
  readonly from: Objects;
  readonly into: Objects;
  readonly over: ListedObject | undefined;
}): Promise<boolean> {
  const { key, from, into, over } = file;
  const found = await from.get(key);
  if (!found) return false;
  const condition = over ? { ifMatch: over.etag } : ({ ifNoneMatch: "*" } as const);
  try {
    await into.put({ key, body: found.body, contentType: found.info.contentType, condition });
    return true;
  } catch (error) {
    if (toRowhouseError(error).code === "E_CONFLICT") return false;
    throw error;
  }
}

async function tenantStates({ pool, name }: RegionContext): Promise<ReadonlyMap<string, TenantState>> {
  const { rows } = await pool.query<{ slug: string; state: TenantState }>(
    "SELECT slug, state FROM tenants WHERE region = $1",
    [name],
  );
  return new Map(rows.map(({ slug, state }) => [slug, state]));
}

/** `undefined` when it lives elsewhere. */
async function stateHere({ pool, name }: RegionContext, slug: string): Promise<TenantState | undefined> {
  const { rows } = await pool.query<{ state: TenantState }>(
    "SELECT state FROM tenants WHERE slug = $1 AND region = $2",
    [slug, name],
  );
  return rows[0]?.state;
}

/** Walks two listings, which are in one order, side by side. */
async function* compare(
  here: Objects,
  there: Objects,
): AsyncGenerator<{
  readonly key: string;
  readonly here: ListedObject | undefined;
  readonly there: ListedObject | undefined;
}> {
  const [ours, theirs] = [everyObject(here), everyObject(there)];
  let [own, other] = [(await ours.next()).value, (await theirs.next()).value];
  while (own || other) {
    const order = !own ? 1 : !other ? -1 : Buffer.compare(Buffer.from(own.key), Buffer.from(other.key));
    const [left, right] = [order <= 0 ? own : undefined, order >= 0 ? other : undefined];
    yield { key: (left ?? right)?.key ?? "", here: left, there: right };
    if (left) own = (await ours.next()).value;
    if (right) other = (await theirs.next()).value;
  }
}

async function* everyObject(objects: Objects): AsyncGenerator<ListedObject, undefined> {
  for (let after: string | undefined = ""; after !== undefined; ) {
    const page: Awaited<ReturnType<Objects["list"]>> = await objects.list({ prefix, after });
    yield* page.objects;
    after = page.next;
  }
  return undefined;
}
