import type { TenantState } from "./lifecycle.ts";

/** How far a tenant's data stands apart from the others'. */
export type Isolation = "schema" | "database" | "server";

/** Whether a tenant's connections log in as the tenant itself, or share one login and change role per lease. */
export type Connections = "own" | "shared";

/** A row of the directory: where a tenant lives, and nothing about who it is. */
export interface DirectoryEntry {
  readonly slug: string;
  readonly region: string;
  readonly state: TenantState;
  readonly plan: string;
  readonly isolation: Isolation;
  /** Name of the database server; `null` until the tenant is placed. */
  readonly server: string | null;
  /** Number of the newest migration that the tenant's data has; 0 before the first. */
  readonly schemaVersion: number;
  readonly createdAt: Date;
  /** Grows with every change of any row: a copy asks for all that is newer than what it has. */
  readonly revision: number;
}

/** Where a tenant's rows are on its server. Names are neutral, so that a spare can become anyone's. */
export interface DataLocation {
  readonly server: string;
  readonly database: string;
  readonly schema: string;
  readonly ownerRole: string;
  readonly appRole: string;
}

/** Who a tenant is. Stays in its region. */
export interface TenantProfile {
  readonly slug: string;
  readonly name: string;
  readonly administratorEmail: string;
  readonly settings: Readonly<Record<string, unknown>>;
}
