import { quoteIdentifier } from "./identifier.ts";
import type { Queryable } from "./pool.ts";

/**
 * Unicode's case rules, and an order that no update of the system's libraries can change under an index: those of the
 * embedded family's servers. RDS's are `en_US.UTF-8`, and only `template0` may be copied into others.
 */
const collation = "TEMPLATE template0 LOCALE_PROVIDER builtin BUILTIN_LOCALE 'C.UTF-8' LOCALE 'C'";

/** Two may come here at once; Postgres tells the later one by either code, as far as the first one had got. */
const databaseExists: ReadonlySet<unknown> = new Set(["42P04", "23505"]);

/**
 * Makes the database unless it is there, with the same order of text on every server. An owner other than the caller must
 * be a role that the caller is a member of, for only a superuser may give a database to just anyone.
 */
export async function createDatabase(pool: Queryable, name: string, owner?: string): Promise<void> {
  const { rows } = await pool.query<{ there: boolean; alike: boolean }>(
    `SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1) AS there,
       datlocprovider = 'b' AND datlocale = 'C.UTF-8' AS alike
     FROM pg_database WHERE datname = 'template1'`,
    [name],
  );
  if (rows[0]?.there) return;
  const clauses = [
    owner === undefined ? "" : `OWNER ${quoteIdentifier(owner)}`,
    rows[0]?.alike ? "" : collation,
  ];
  try {
    await pool.query(`CREATE DATABASE ${quoteIdentifier(name)} ${clauses.join(" ")}`);
  } catch (error) {
    if (!databaseExists.has((error as { code?: unknown }).code)) throw error;
  }
}
