import type pg from "pg";
import { type ConnectOptions, connect } from "../connect.ts";
import { quoteIdentifier } from "../identifier.ts";
import { formatLsn, type Lsn, parseLsn } from "./lsn.ts";
import { exactText } from "./source.ts";

/** The schema that changes are applied to. Its structure is the source's. */
export interface Target {
  /** How the schema's owner connects. It must have been let in by `admitMover`. */
  readonly connection: Omit<ConnectOptions, "replication" | "settings">;
  readonly schema: string;
  /** Names the table of progress. */
  readonly id: string;
}

/** What lies beside tenants' schemas while something is moved into the database. */
const moverSchema = "rowhouse_move";

/** Who is let in may write rows as a replica does: no trigger and no check between tables runs again. */
const moverRole = "rowhouse_mover";

/** A connection as the schema's owner, which writes rows as a replica does. */
export async function connectToTarget(target: Target): Promise<pg.Client> {
  const client = await connect({
    ...target.connection,
    settings: { ...exactText, search_path: quoteIdentifier(target.schema) },
  });
  try {
    await client.query("SET session_replication_role = replica");
    return client;
  } catch (error) {
    await client.end();
    throw error;
  }
}

/** Lets the owner of a schema receive rows, and makes its table of progress. For an administrator; repeatable. */
export async function admitMover(client: pg.ClientBase, owner: string, id: string): Promise<void> {
  // Roles and rights to parameters are the whole server's: Postgres fails one of two that change them at once.
  await client.query("SELECT pg_advisory_lock(hashtextextended('rowhouse.mover', 0))");
  try {
    const { rowCount } = await client.query("SELECT FROM pg_roles WHERE rolname = $1", [moverRole]);
    if (rowCount === 0) await client.query(`CREATE ROLE ${moverRole} NOLOGIN`);
    await client.query(`
      GRANT SET ON PARAMETER session_replication_role TO ${moverRole};
      GRANT ${moverRole} TO ${quoteIdentifier(owner)} WITH INHERIT TRUE, SET FALSE;
      CREATE SCHEMA IF NOT EXISTS ${moverSchema};
      GRANT USAGE ON SCHEMA ${moverSchema} TO ${moverRole};
      CREATE TABLE IF NOT EXISTS ${progressTable(id)} (one boolean PRIMARY KEY CHECK (one), lsn pg_lsn NOT NULL);
      GRANT SELECT, INSERT, UPDATE, DELETE ON ${progressTable(id)} TO ${quoteIdentifier(owner)};`);
  } finally {
    await client.query("SELECT pg_advisory_unlock(hashtextextended('rowhouse.mover', 0))");
  }
}

/** Takes {@link admitMover} back; for an administrator, and safe to repeat. */
export async function dismissMover(client: pg.ClientBase, owner: string, id: string): Promise<void> {
  await client.query(`DROP TABLE IF EXISTS ${progressTable(id)}`);
  const { rowCount } = await client.query(
    `SELECT FROM pg_auth_members m JOIN pg_roles r ON r.oid = m.roleid JOIN pg_roles o ON o.oid = m.member
     WHERE r.rolname = $1 AND o.rolname = $2`,
    [moverRole, owner],
  );
  if ((rowCount ?? 0) > 0) await client.query(`REVOKE ${moverRole} FROM ${quoteIdentifier(owner)}`);
}

/**
 * How far the source's changes are in the target; `undefined` before the first copy is whole. Waits for a commit that a
 * killed process had sent.
 */
export async function readProgress(client: pg.ClientBase, id: string): Promise<Lsn | undefined> {
  const { rows } = await client.query<{ lsn: string }>(
    `SELECT lsn::text AS lsn FROM ${progressTable(id)} FOR UPDATE`,
  );
  return rows[0] && parseLsn(rows[0].lsn);
}

/** SQL that writes it down. */
export function writeProgress(id: string, lsn: Lsn): string {
  return `INSERT INTO ${progressTable(id)} VALUES (true, '${formatLsn(lsn)}')
    ON CONFLICT (one) DO UPDATE SET lsn = excluded.lsn`;
}

/** SQL that says that no copy is whole. */
export function forgetProgress(id: string): string {
  return `DELETE FROM ${progressTable(id)}`;
}

function progressTable(id: string): string {
  return `${moverSchema}.${quoteIdentifier(`progress_${id}`)}`;
}
