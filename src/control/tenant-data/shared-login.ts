import type { DatabaseCredentials } from "../../ports/databases.ts";
import type { Keys } from "../../ports/keys.ts";
import { quoteIdentifier, quoteLiteral } from "../../postgres/identifier.ts";
import type { WriterPool } from "../../postgres/pool.ts";
import { generatePassword, scramVerifier } from "../../postgres/scram.ts";
import { roleContext, type StoredLocation } from "./locations.ts";

/** A login of a shared database that can act for its tenants, and owns and inherits nothing itself. */
export interface SharedLogin {
  /** Table of the region that keeps it. */
  readonly table: "shared_logins" | "migrator_logins";
  readonly role: string;
}

/** For plans with `connections: "shared"`: acts as tenants' app roles. */
export const sharedLogin: SharedLogin = { table: "shared_logins", role: "rowhouse_shared" };

/** For migrations over the fleet: acts as tenants' owners, so that a connection serves one after the other. */
export const migratorLogin: SharedLogin = { table: "migrator_logins", role: "rowhouse_migrator" };

interface Place {
  readonly server: string;
  readonly database: string;
}

/** Makes the login of one database, unless it is there; safe to repeat after a crash. */
export async function ensureSharedLogin(
  parts: { readonly regionPool: WriterPool; readonly serverPool: WriterPool; readonly keys: Keys },
  login: SharedLogin,
  where: Place,
): Promise<void> {
  const { role, table } = login;
  const sealed = await parts.keys.encrypt(generatePassword(), roleContext(role));
  await parts.regionPool.query(
    `INSERT INTO ${table} (server, database, role, password) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING`,
    [where.server, where.database, role, sealed],
  );
  const { password } = await readSharedLogin(parts, login, where);
  const found = await parts.serverPool.query("SELECT FROM pg_roles WHERE rolname = $1", [role]);
  // Without NOSUPERUSER, which CREATE means anyway, and which only a superuser may say of a role that is there.
  const verb = found.rowCount ? "ALTER" : "CREATE";
  await parts.serverPool.query(
    `${verb} ROLE ${role} LOGIN NOINHERIT NOCREATEDB NOCREATEROLE
       PASSWORD ${quoteLiteral(scramVerifier(password))};
     GRANT CONNECT ON DATABASE ${quoteIdentifier(where.database)} TO ${role}`,
  );
}

/** @throws E_DECRYPT */
export async function readSharedLogin(
  parts: { readonly regionPool: WriterPool; readonly keys: Keys },
  { table, role }: SharedLogin,
  where: Place,
): Promise<DatabaseCredentials> {
  const { rows } = await parts.regionPool.query<{ password: string }>(
    `SELECT password FROM ${table} WHERE server = $1 AND database = $2`,
    [where.server, where.database],
  );
  return { user: role, password: await parts.keys.decrypt(rows[0]?.password ?? "", roleContext(role)) };
}

/** Lets the shared login become the tenant's app role, and nothing by itself. */
export function grantToSharedLogin(location: StoredLocation): string {
  return `GRANT ${quoteIdentifier(location.appRole)} TO ${sharedLogin.role} WITH INHERIT FALSE, SET TRUE`;
}

/** Lets the migrator become the tenant's owner, and nothing by itself. */
export function grantToMigrator(ownerRole: string): string {
  return `GRANT ${quoteIdentifier(ownerRole)} TO ${migratorLogin.role} WITH INHERIT FALSE, SET TRUE;`;
}
