import { setTimeout as sleep } from "node:timers/promises";
import type { TenantState } from "../core/tenant/lifecycle.ts";
import type { DirectoryEntry, Isolation } from "../core/tenant/tenant.ts";
import type { RegionControl, TenantOperationDocument } from "./region-control.ts";

/** A tenant as operators see it: its directory row, and the name that its region knows. */
export interface TenantDocument {
  readonly slug: string;
  /** `null` when the region does not say; `note` tells why. */
  readonly name: string | null;
  readonly region: string;
  readonly plan: string;
  readonly isolation: Isolation;
  readonly state: TenantState;
  readonly schemaVersion: number;
  readonly url: string;
  /** ISO 8601. */
  readonly createdAt: string;
  /** What is being done to it as a whole; where one tenant was asked for. */
  readonly operation?: TenantOperationDocument;
  readonly note?: string;
}

export interface TenantDocumentSources {
  readonly regions: ReadonlyMap<string, RegionControl>;
  readonly tenantUrl: (slug: string) => string;
  /** How long a region may take to tell names; default 3000. */
  readonly timeoutMilliseconds?: number;
}

/** The documents of the given rows, in their order. A region that does not answer costs its tenants' names only. */
export async function describeTenants(
  entries: readonly DirectoryEntry[],
  sources: TenantDocumentSources,
): Promise<TenantDocument[]> {
  const names = new Map<string, ReadonlyMap<string, string> | undefined>();
  await Promise.all(
    [...new Set(entries.map((entry) => entry.region))].map(async (region) => {
      const profiles = await answerOf(sources, region, (control) => control.profiles());
      names.set(region, profiles && new Map(profiles.map(({ slug, name }) => [slug, name])));
    }),
  );
  return entries.map((entry) => {
    const known = names.get(entry.region);
    return toDocument(entry, sources, { answered: known !== undefined, name: known?.get(entry.slug) });
  });
}

/** The document of one row; a `name` that is known already is not asked for. */
export async function describeTenant(
  entry: DirectoryEntry,
  sources: TenantDocumentSources,
  name?: string,
): Promise<TenantDocument> {
  if (name !== undefined) return toDocument(entry, sources, { answered: true, name });
  const answer = await answerOf(sources, entry.region, async (control) => ({
    name: (await control.profile({ slug: entry.slug }))?.name,
    operation: (await control.operation({ slug: entry.slug })) ?? undefined,
  }));
  const document = toDocument(entry, sources, { answered: answer !== undefined, name: answer?.name });
  return answer?.operation ? { ...document, operation: answer.operation } : document;
}

function toDocument(
  entry: DirectoryEntry,
  sources: TenantDocumentSources,
  profile: { readonly answered: boolean; readonly name: string | undefined },
): TenantDocument {
  const { slug, region, plan, isolation, state, schemaVersion, createdAt } = entry;
  const note = profile.answered
    ? `The region ${region} has no profile of it${state === "closed" ? " any more" : ""}.`
    : `The region ${region}, which alone knows the name, does not answer.`;
  return {
    slug,
    name: profile.name ?? null,
    region,
    plan,
    isolation,
    state,
    schemaVersion,
    url: sources.tenantUrl(slug),
    createdAt: createdAt.toISOString(),
    ...(profile.name === undefined ? { note } : {}),
  };
}

async function answerOf<T extends object>(
  sources: TenantDocumentSources,
  region: string,
  ask: (control: RegionControl) => Promise<T>,
): Promise<T | undefined> {
  const control = sources.regions.get(region);
  if (!control) return undefined;
  const timeout = new AbortController();
  try {
    const late = sleep(sources.timeoutMilliseconds ?? 3000, undefined, { signal: timeout.signal }).catch(
      () => undefined,
    );
    return await Promise.race([ask(control), late]);
  } catch {
    // Whatever the reason, the caller gets the rest of the list, and the note.
    return undefined;
  } finally {
    timeout.abort();
  }
}
