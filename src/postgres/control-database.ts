import { fault } from "../core/error.ts";
import type { DatabaseCredentials, Databases } from "../ports/databases.ts";
import type { ConnectOptions } from "./connect.ts";
import { createDatabase } from "./create-database.ts";
import { quoteIdentifier, quoteLiteral } from "./identifier.ts";
import { WriterPool } from "./pool.ts";
import { generatePassword, scramVerifier } from "./scram.ts";

/** Where the login of a database of the control plane's own is kept, sealed. */
export interface LoginStore {
  /** `undefined` before the first `write`. */
  read(): Promise<DatabaseCredentials | undefined>;
  write(login: DatabaseCredentials): Promise<void>;
}

/** A database of the control plane's own: the directory, or a region's. */
export interface ControlDatabase {
  readonly server: string;
  readonly database: string;
  readonly login: LoginStore;
}

/** Makes the database and the role that owns it, unless they are there. The role is no superuser. */
export async function ensureControlDatabase(
  databases: Pick<Databases, "endpoint" | "administrator">,
  where: ControlDatabase,
): Promise<void> {
  const login = await ensureLogin(where);
  const administrator = new WriterPool({
    endpoint: await databases.endpoint(where.server),
    credentials: await databases.administrator(where.server),
    database: "postgres",
    applicationName: "rowhouse-setup",
    max: 1,
  });
  try {
    const owner = quoteIdentifier(login.user);
    const role = await administrator.query("SELECT FROM pg_roles WHERE rolname = $1", [login.user]);
    if (!role.rowCount) {
      const verifier = quoteLiteral(scramVerifier(login.password));
      await administrator.query(`CREATE ROLE ${owner} LOGIN PASSWORD ${verifier}`);
    }
    // Only who may act as the owner can give it a database; a superuser may anyway, RDS's administrator may not.
    await administrator.query(`GRANT ${owner} TO CURRENT_USER WITH INHERIT TRUE, SET TRUE`);
    await createDatabase(administrator, where.database, login.user);
    await administrator.query(`REVOKE ALL ON DATABASE ${quoteIdentifier(where.database)} FROM PUBLIC`);
  } finally {
    await administrator.end();
  }
}

/** How to connect to it. @throws E_NOT_RUNNING before it was made */
export async function controlDatabaseConnection(
  databases: Pick<Databases, "endpoint">,
  where: ControlDatabase,
  applicationName: string,
): Promise<ConnectOptions> {
  const credentials = await where.login.read();
  if (!credentials) throw fault("E_NOT_RUNNING", `The database "${where.database}" was not made yet.`);
  return {
    endpoint: await databases.endpoint(where.server),
    database: where.database,
    credentials,
    applicationName,
  };
}

async function ensureLogin({ database, login }: ControlDatabase): Promise<DatabaseCredentials> {
  const known = await login.read();
  if (known) return known;
  const made = { user: database, password: generatePassword() };
  await login.write(made);
  return made;
}
