import { createHash } from "node:crypto";
import type { DatabaseCredentials } from "../../ports/databases.ts";

/** Who logs in where: connections of one login are interchangeable. */
export interface Login {
  /** Equal for logins that may share connections. */
  readonly key: string;
  readonly server: string;
  readonly database: string;
  readonly credentials: DatabaseCredentials;
  readonly role: "writer" | "reader";
  /** True when the login serves many tenants, and each lease puts on a {@link TenantSession}. */
  readonly shared: boolean;
}

/** What a connection of a shared login has to become before it serves a tenant. */
export interface TenantSession {
  readonly role: string;
  readonly schema: string;
}

/** Whom a lease is for, and how it reaches the data. */
export interface LeaseTarget {
  readonly tenant: string;
  readonly login: Login;
  /** Present exactly when the login is shared. */
  readonly session?: TenantSession;
}

/** Makes a login; a changed password makes another one, so that old connections are not taken for new. */
export function createLogin(login: Omit<Login, "key">): Login {
  const { server, database, credentials, role, shared } = login;
  const parts = [server, database, credentials.user, credentials.password, role, shared];
  const key = createHash("sha256").update(JSON.stringify(parts)).digest("base64url");
  return { ...login, key };
}
