import { join } from "node:path";
import { fault } from "../core/error.ts";
import type { Databases } from "../ports/databases.ts";
import type { Keys } from "../ports/keys.ts";
import type { ConnectOptions } from "../postgres/connect.ts";
import { quoteIdentifier, quoteLiteral } from "../postgres/identifier.ts";
import { WriterPool } from "../postgres/pool.ts";
import { generatePassword, scramVerifier } from "../postgres/scram.ts";
import { readJson, writeFileAtomically } from "./state-folder.ts";

/** A database of the control plane's own: the directory, or a region's. */
export interface ControlDatabase {
  /** The part's folder; the sealed login is kept in it. */
  readonly folder: string;
  readonly server: string;
  readonly database: string;
}

interface SealedLogin {
  readonly user: string;
  readonly password: string;
}

/** Makes the database and the role that owns it, unless they are there. The role is no superuser. */
export async function ensureControlDatabase(
  parts: { readonly databases: Databases; readonly keys: Keys },
  where: ControlDatabase,
): Promise<void> {
  const login = (await readLogin(where)) ?? (await writeLogin(parts.keys, where));
  const password = await parts.keys.decrypt(login.password, loginContext(where));
  const administrator = new WriterPool({
    endpoint: await parts.databases.endpoint(where.server),
    credentials: await parts.databases.administrator(where.server),
    database: "postgres",
    applicationName: "rowhouse-setup",
    max: 1,
  });
  try {
    const role = await administrator.query("SELECT FROM pg_roles WHERE rolname = $1", [login.user]);
    if (!role.rowCount) {
      const verifier = quoteLiteral(scramVerifier(password));
      await administrator.query(`CREATE ROLE ${quoteIdentifier(login.user)} LOGIN PASSWORD ${verifier}`);
    }
    const database = await administrator.query("SELECT FROM pg_database WHERE datname = $1", [
      where.database,
    ]);
    if (!database.rowCount) {
      const [name, owner] = [quoteIdentifier(where.database), quoteIdentifier(login.user)];
      await administrator.query(`CREATE DATABASE ${name} OWNER ${owner}`);
    }
    await administrator.query(`REVOKE ALL ON DATABASE ${quoteIdentifier(where.database)} FROM PUBLIC`);
  } finally {
    await administrator.end();
  }
}

/** How to connect to it. @throws E_NOT_RUNNING before it was made */
export async function controlDatabaseConnection(
  parts: { readonly databases: Pick<Databases, "endpoint">; readonly keys: Keys },
  where: ControlDatabase & { readonly applicationName: string },
): Promise<ConnectOptions> {
  const login = await readLogin(where);
  if (!login) throw fault("E_NOT_RUNNING", `The database "${where.database}" was not made yet.`);
  return {
    endpoint: await parts.databases.endpoint(where.server),
    database: where.database,
    credentials: {
      user: login.user,
      password: await parts.keys.decrypt(login.password, loginContext(where)),
    },
    applicationName: where.applicationName,
  };
}

function loginFile(where: ControlDatabase): string {
  return join(where.folder, `${where.database}-login.json`);
}

function loginContext(where: ControlDatabase): Record<string, string> {
  return { purpose: "control-database", database: where.database };
}

function readLogin(where: ControlDatabase): Promise<SealedLogin | undefined> {
  return readJson<SealedLogin>(loginFile(where));
}

async function writeLogin(keys: Keys, where: ControlDatabase): Promise<SealedLogin> {
  const login = {
    user: where.database,
    password: await keys.encrypt(generatePassword(), loginContext(where)),
  };
  await writeFileAtomically(loginFile(where), JSON.stringify(login));
  return login;
}
