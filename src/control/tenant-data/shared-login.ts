import type { Keys } from "../../ports/keys.ts";
import { quoteIdentifier, quoteLiteral } from "../../postgres/identifier.ts";
import type { WriterPool } from "../../postgres/pool.ts";
import { generatePassword, scramVerifier } from "../../postgres/scram.ts";
import { roleContext, type StoredLocation } from "./locations.ts";

/** The login for plans with `connections: "shared"`; it owns nothing and inherits nothing. */
const sharedRole = "rowhouse_shared";

interface SharedLoginParts {
  readonly regionPool: WriterPool;
  readonly serverPool: WriterPool;
  readonly keys: Keys;
}

/** Makes the shared login of one database, unless it is there; safe to repeat after a crash. */
export async function ensureSharedLogin(
  parts: SharedLoginParts,
  where: { readonly server: string; readonly database: string },
): Promise<void> {
  const sealed = await parts.keys.encrypt(generatePassword(), roleContext(sharedRole));
  await parts.regionPool.query(
    "INSERT INTO shared_logins (server, database, role, password) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING",
    [where.server, where.database, sharedRole, sealed],
  );
  const { rows } = await parts.regionPool.query<{ password: string }>(
    "SELECT password FROM shared_logins WHERE server = $1 AND database = $2",
    [where.server, where.database],
  );
  const password = await parts.keys.decrypt(rows[0]?.password ?? "", roleContext(sharedRole));
  const found = await parts.serverPool.query("SELECT FROM pg_roles WHERE rolname = $1", [sharedRole]);
  // Without NOSUPERUSER, which CREATE means anyway, and which only a superuser may say of a role that is there.
  const verb = found.rowCount ? "ALTER" : "CREATE";
  await parts.serverPool.query(
    `${verb} ROLE ${sharedRole} LOGIN NOINHERIT NOCREATEDB NOCREATEROLE
       PASSWORD ${quoteLiteral(scramVerifier(password))};
     GRANT CONNECT ON DATABASE ${quoteIdentifier(where.database)} TO ${sharedRole}`,
  );
}

/** Lets the shared login become the tenant's app role, and nothing by itself. */
export function grantToSharedLogin(location: StoredLocation): string {
  return `GRANT ${quoteIdentifier(location.appRole)} TO ${sharedRole} WITH INHERIT FALSE, SET TRUE`;
}
