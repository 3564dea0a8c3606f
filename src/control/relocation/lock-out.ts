import { fault } from "../../core/error.ts";
import { quoteIdentifier as name } from "../../postgres/identifier.ts";
import type { Queryable } from "../../postgres/pool.ts";
import type { StoredLocation } from "../tenant-data/locations.ts";
import { sharedLogin } from "../tenant-data/shared-login.ts";

/** About five seconds. */
const mostLooks = 700;

/**
 * Lets no one act as the tenant at this location any more, for good and whatever crashes: its app role logs in no
 * more, the shared login can't become it, and every session that might be it ends. `drained` are instances that said
 * that they hold back: of all others every session of the shared login ends, for one that has become the tenant stays
 * so; `"all"` spares them. A repeat is safe, and a role that is gone lets nobody in anyway.
 * @throws E_DATABASE_UNAVAILABLE when one of them goes on
 */
export async function lockOut(
  server: Queryable,
  location: StoredLocation,
  drained: readonly string[] | "all",
): Promise<void> {
  if (await hasRole(server, location)) await server.query(`ALTER ROLE ${name(location.appRole)} NOLOGIN`);
  if (await isSharedMember(server, location))
    await server.query(`REVOKE ${name(location.appRole)} FROM ${sharedLogin.role}`);
  const mayBeShared = location.isolation === "schema" && drained !== "all";
  await endSessions(server, [
    location.appRole,
    mayBeShared ? sharedLogin.role : null,
    mayBeShared ? drained.map((instance) => `rowhouse ${instance}`) : [],
  ]);
}

/**
 * All are told at once and then looked for again and again: a call that waits for each one's end itself looks ten times
 * a second, one after the other.
 */
async function endSessions(server: Queryable, whose: readonly unknown[]): Promise<void> {
  for (let look = 0; look < mostLooks; look++) {
    const { rowCount } = await server.query(
      `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
       WHERE usename = $1 OR usename = $2 AND application_name <> ALL ($3)`,
      whose,
    );
    if (rowCount === 0) return;
    await server.query("SELECT pg_sleep(0.005)");
  }
  throw fault("E_DATABASE_UNAVAILABLE", "Sessions of the tenant do not end.");
}

/** Takes {@link lockOut} back, unless the role is gone. */
export async function letIn(
  server: Queryable,
  location: StoredLocation,
  connections: "own" | "shared",
): Promise<void> {
  if (!(await hasRole(server, location))) return;
  await server.query(`ALTER ROLE ${name(location.appRole)} LOGIN`);
  if (location.isolation !== "schema" || connections === "own") return;
  await server.query(`GRANT ${name(location.appRole)} TO ${sharedLogin.role} WITH INHERIT FALSE, SET TRUE`);
}

async function hasRole(server: Queryable, { appRole }: StoredLocation): Promise<boolean> {
  const { rowCount } = await server.query("SELECT FROM pg_roles WHERE rolname = $1", [appRole]);
  return rowCount === 1;
}

async function isSharedMember(server: Queryable, location: StoredLocation): Promise<boolean> {
  const { rowCount } = await server.query(
    `SELECT FROM pg_auth_members m JOIN pg_roles r ON r.oid = m.roleid JOIN pg_roles l ON l.oid = m.member
     WHERE r.rolname = $1 AND l.rolname = $2`,
    [location.appRole, sharedLogin.role],
  );
  return (rowCount ?? 0) > 0;
}
