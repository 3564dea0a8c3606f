import type { TenantState } from "./lifecycle.ts";
import type { DirectoryEntry, Isolation } from "./tenant.ts";

/** A row of `tenants`, in the directory and in every copy of it, as Postgres gives it. */
export interface TenantRow {
  slug: string;
  region: string;
  state: TenantState;
  plan: string;
  isolation: Isolation;
  server: string | null;
  schema_version: number;
  created_at: Date;
  revision: string;
}

/** The same in the words of the code. */
export function toEntry(row: TenantRow): DirectoryEntry {
  return {
    slug: row.slug,
    region: row.region,
    state: row.state,
    plan: row.plan,
    isolation: row.isolation,
    server: row.server,
    schemaVersion: row.schema_version,
    createdAt: row.created_at,
    revision: Number(row.revision),
  };
}
