import { quoteIdentifier as name } from "../../postgres/identifier.ts";
import type { Queryable } from "../../postgres/pool.ts";
import type { StoredLocation } from "../tenant-data/locations.ts";
import { sharedLogin } from "../tenant-data/shared-login.ts";

/**
 * Lets no one act as the tenant at this location any more, for good and whatever crashes: its app role logs in no
 * more, the shared login can't become it, and every session that might be it ends. `strangers` are instances that did
 * not say that they hold back: of those, all sessions on the server end. A repeat is safe.
 */
export async function lockOut(
  server: Queryable,
  location: StoredLocation,
  strangers: readonly string[],
): Promise<void> {
  await server.query(`ALTER ROLE ${name(location.appRole)} NOLOGIN`);
  if (await isSharedMember(server, location))
    await server.query(`REVOKE ${name(location.appRole)} FROM ${sharedLogin.role}`);
  await server.query(
    `SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity
     WHERE usename = $1 OR usename = $2 AND application_name = ANY ($3)`,
    [location.appRole, sharedLogin.role, strangers.map((instance) => `rowhouse ${instance}`)],
  );
}

/** Takes {@link lockOut} back. */
export async function letIn(
  server: Queryable,
  location: StoredLocation,
  connections: "own" | "shared",
): Promise<void> {
  await server.query(`ALTER ROLE ${name(location.appRole)} LOGIN`);
  if (location.isolation !== "schema" || connections === "own") return;
  await server.query(`GRANT ${name(location.appRole)} TO ${sharedLogin.role} WITH INHERIT FALSE, SET TRUE`);
}

async function isSharedMember(server: Queryable, location: StoredLocation): Promise<boolean> {
  const { rowCount } = await server.query(
    `SELECT FROM pg_auth_members m JOIN pg_roles r ON r.oid = m.roleid JOIN pg_roles l ON l.oid = m.member
     WHERE r.rolname = $1 AND l.rolname = $2`,
    [location.appRole, sharedLogin.role],
  );
  return (rowCount ?? 0) > 0;
}
