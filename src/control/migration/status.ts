import type { Directory } from "../directory.ts";
import type { RegionControl } from "../region-control.ts";
import { schemaTargets } from "./run.ts";

/** The answer of `rowhouse migrate status`. */
export interface MigrateStatusDocument {
  /** Schema version of the newest release. */
  readonly target: number;
  readonly total: number;
  /** Tenants whose schema is older than their region's release wants. */
  readonly behind: number;
  readonly regions: readonly {
    readonly name: string;
    readonly target: number;
    readonly versions: readonly { readonly schemaVersion: number; readonly tenants: number }[];
  }[];
}

/** How far the fleet is, from the directory alone: no tenant is connected to. */
export async function describeMigrations(parts: {
  readonly directory: Directory;
  readonly regions: ReadonlyMap<string, RegionControl>;
}): Promise<MigrateStatusDocument> {
  const [targets, counts] = await Promise.all([
    schemaTargets(parts.regions),
    parts.directory.countBySchemaVersion(),
  ]);
  const regions = [...targets].map(([name, target]) => ({
    name,
    target,
    versions: counts
      .filter(({ region }) => region === name)
      .map(({ schemaVersion, tenants }) => ({ schemaVersion, tenants })),
  }));
  const sum = (of: (region: (typeof regions)[number]) => readonly { readonly tenants: number }[]) =>
    regions.flatMap(of).reduce((total, { tenants }) => total + tenants, 0);
  return {
    target: Math.max(0, ...targets.values()),
    total: sum(({ versions }) => versions),
    behind: sum(({ versions, target }) => versions.filter(({ schemaVersion }) => schemaVersion < target)),
    regions,
  };
}
