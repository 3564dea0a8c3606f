import type { DataLocation } from "../../core/tenant/tenant.ts";
import { quoteLiteral as literal, quoteIdentifier as name } from "../../postgres/identifier.ts";

/** SCRAM verifiers of the two logins. */
export interface Verifiers {
  readonly owner: string;
  readonly app: string;
}

/**
 * Makes the two roles: neither is more than a login. The administrator becomes a member of both, with their rights and
 * the right to act as them, so that it may give them what they own without being a superuser (RDS has none): who makes
 * a role may by that alone only administer it.
 */
export function createRoles(location: DataLocation, verifiers: Verifiers): string {
  const attributes = "LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS NOINHERIT";
  const [owner, app] = [name(location.ownerRole), name(location.appRole)];
  return `
    CREATE ROLE ${owner} ${attributes} PASSWORD ${literal(verifiers.owner)};
    CREATE ROLE ${app} ${attributes} PASSWORD ${literal(verifiers.app)};
    GRANT ${owner}, ${app} TO CURRENT_USER WITH INHERIT TRUE, SET TRUE;
    ALTER ROLE ${owner} SET search_path = ${name(location.schema)};
    ALTER ROLE ${app} SET search_path = ${name(location.schema)};`;
}

/** Gives the owner its schema, and the app role the rows in it: what the owner makes later included. */
export function grantSchema(location: DataLocation): string {
  const [owner, app, schema] = [name(location.ownerRole), name(location.appRole), name(location.schema)];
  const later = `ALTER DEFAULT PRIVILEGES FOR ROLE ${owner} IN SCHEMA ${schema} GRANT`;
  return `
    REVOKE ALL ON SCHEMA ${schema} FROM PUBLIC;
    GRANT USAGE ON SCHEMA ${schema} TO ${app};
    ${later} SELECT, INSERT, UPDATE, DELETE ON TABLES TO ${app};
    ${later} USAGE, SELECT ON SEQUENCES TO ${app};
    ${later} EXECUTE ON ROUTINES TO ${app};`;
}

/**
 * May connect to the shared database, and nothing else; every role with a schema there is a member. A grant to each
 * of them would be kept in the database's one catalog row, which then grows with the tenants, and of two sign-ups that
 * change it at once Postgres fails one ("tuple concurrently updated").
 */
export const visitorRole = "rowhouse_visitor";

export function createSchema(location: DataLocation): string {
  return `
    GRANT ${visitorRole} TO ${name(location.ownerRole)}, ${name(location.appRole)} WITH INHERIT TRUE, SET FALSE;
    CREATE SCHEMA ${name(location.schema)} AUTHORIZATION ${name(location.ownerRole)};`;
}

/** Closes a database to everyone but its administrator and whom it is granted to; no one may make temporary tables. */
export function closeDatabase(database: string): string {
  return `REVOKE ALL ON DATABASE ${name(database)} FROM PUBLIC`;
}

/** For a database of the tenant's own, run inside it; safe to repeat. */
export function takeOverDatabase(location: DataLocation): string {
  return `
    ${closeDatabase(location.database)};
    GRANT CONNECT ON DATABASE ${name(location.database)} TO ${name(location.ownerRole)}, ${name(location.appRole)};
    ALTER SCHEMA ${name(location.schema)} OWNER TO ${name(location.ownerRole)};`;
}

/** The ledger of migrations is the owner's to write; the app role may read it. */
export function protectLedger(location: DataLocation, ledgerTable: string): string {
  const ledger = `${name(location.schema)}.${name(ledgerTable)}`;
  return `REVOKE ALL ON ${ledger} FROM ${name(location.appRole)}; GRANT SELECT ON ${ledger} TO ${name(location.appRole)};`;
}

/** Ends every connection of the two roles. */
export const endSessions = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = ANY($1)";

export function dropSchema(location: DataLocation): string {
  return `DROP SCHEMA IF EXISTS ${name(location.schema)} CASCADE`;
}

/** Takes back all grants in the connected database and drops the role. */
export function dropRole(role: string): string {
  return `DROP OWNED BY ${name(role)} CASCADE; DROP ROLE ${name(role)};`;
}
