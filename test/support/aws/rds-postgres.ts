import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { chown, type FileHandle, mkdtemp, open, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { findPostgres } from "../../../src/embedded/postgres/binaries.ts";
import type { DatabaseCredentials } from "../../../src/ports/databases.ts";
import { quoteIdentifier, quoteLiteral } from "../../../src/postgres/identifier.ts";
import { scramVerifier } from "../../../src/postgres/scram.ts";

/** A data folder with a real Postgres that is set up as RDS sets it up; it runs between `start` and `stop`. */
export interface RdsPostgres {
  start(address: { readonly host: string; readonly port: number }): Promise<void>;
  /** `crash`: as if its machine went away. */
  stop(how: "in order" | "crash"): Promise<void>;
  /** Stops it and removes its data. */
  remove(): Promise<void>;
}

const startMilliseconds = 30_000;

const settings = {
  unix_socket_directories: "",
  fsync: "off",
  max_connections: 500,
  wal_level: "logical",
  ssl: "on",
  ssl_cert_file: "server.pem",
  ssl_key_file: "server.key",
};

/**
 * What RDS for PostgreSQL 18 has before anyone connects. The superuser is RDS's own, `rdsadmin`. The administrator is a
 * member of `rds_superuser`, which is no superuser, and owns the databases `postgres` and `template1`.
 * https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/Appendix.PostgreSQL.CommonDBATasks.Roles.rds_superuser.html
 */
function firstStatements(administrator: DatabaseCredentials): string {
  const user = quoteIdentifier(administrator.user);
  const attributes = "LOGIN NOSUPERUSER INHERIT CREATEDB CREATEROLE NOREPLICATION VALID UNTIL 'infinity'";
  return [
    "CREATE ROLE rds_superuser NOLOGIN",
    "CREATE ROLE rds_replication NOLOGIN",
    "CREATE ROLE rds_password NOLOGIN",
    "GRANT pg_monitor, pg_signal_backend, pg_checkpoint, rds_replication, rds_password TO rds_superuser WITH ADMIN OPTION",
    `CREATE ROLE ${user} ${attributes} PASSWORD ${quoteLiteral(scramVerifier(administrator.password))}`,
    `GRANT rds_superuser TO ${user}`,
    `ALTER DATABASE postgres OWNER TO ${user}`,
    `ALTER DATABASE template1 OWNER TO ${user}`,
    "CREATE DATABASE rdsadmin",
    "REVOKE ALL ON DATABASE rdsadmin FROM PUBLIC",
    "",
  ].join("\n");
}

/** No login without TLS (`rds.force_ssl`), none without password, none as `rdsadmin`. */
const authentication = ["hostssl all rdsadmin all reject", "hostssl all all all scram-sha-256", ""].join(
  "\n",
);

/** Makes the data folder, as a user who is not root; nothing runs yet. */
export async function createRdsPostgres(options: {
  readonly administrator: DatabaseCredentials;
  readonly certificate: string;
  readonly key: string;
}): Promise<RdsPostgres> {
  const { user } = await findPostgres();
  const folder = await mkdtemp(join(tmpdir(), "rowhouse-test-rds-"));
  if (user !== undefined) await chown(folder, user, user);
  // The path may lead through folders that only root may enter.
  const directory = await open(folder);
  const data = process.platform === "linux" ? "/proc/self/fd/3" : folder;
  const initdb = ["-D", data, "-U", "rdsadmin", "-A", "trust", "--no-sync", "-E", "UTF8", "--locale=C"];
  await finish("initdb", await spawnPostgres("initdb", initdb, directory.fd));
  const single = ["--single", "-D", data, "-c", "fsync=off", "postgres"];
  await finish(
    "postgres",
    await spawnPostgres("postgres", single, directory.fd, firstStatements(options.administrator)),
  );
  await writeFile(join(folder, "pg_hba.conf"), authentication);
  const secrets = { "server.pem": options.certificate, "server.key": options.key };
  for (const [name, text] of Object.entries(secrets)) {
    await writeFile(join(folder, name), text, { mode: 0o600 });
    if (user !== undefined) await chown(join(folder, name), user, user);
  }
  return new RunnablePostgres(folder, data, directory);
}

class RunnablePostgres implements RdsPostgres {
  readonly #folder: string;
  readonly #data: string;
  readonly #directory: FileHandle;
  #server: ChildProcess | undefined;

  constructor(folder: string, data: string, directory: FileHandle) {
    this.#folder = folder;
    this.#data = data;
    this.#directory = directory;
  }

  async start({ host, port }: { readonly host: string; readonly port: number }): Promise<void> {
    const all = { ...settings, listen_addresses: host, port };
    const args = Object.entries(all).flatMap(([name, value]) => ["-c", `${name}=${value}`]);
    const server = await spawnPostgres("postgres", ["-D", this.#data, ...args], this.#directory.fd);
    this.#server = server;
    for (const deadline = Date.now() + startMilliseconds; ; await pause(20)) {
      const lines = await readFile(join(this.#folder, "postmaster.pid"), "utf8").catch(() => "");
      if (lines.split("\n")[7]?.trim() === "ready") return;
      if (server.exitCode !== null || Date.now() > deadline)
        throw new Error(`Postgres does not start on ${host}:${port}: ${await complaintsOf(server)}`);
    }
  }

  async stop(how: "in order" | "crash"): Promise<void> {
    const server = this.#server;
    if (!server || server.exitCode !== null || server.signalCode !== null) return;
    const exited = once(server, "exit");
    server.kill(how === "crash" ? "SIGQUIT" : "SIGINT");
    await exited;
  }

  async remove(): Promise<void> {
    await this.stop("crash");
    await this.#directory.close();
    await rm(this.#folder, { recursive: true, force: true, maxRetries: 10 });
  }
}

/** Starts a program of Postgres with the data folder open as descriptor 3. */
async function spawnPostgres(
  program: "initdb" | "postgres",
  args: readonly string[],
  directory: number,
  input = "",
): Promise<ChildProcess> {
  const { bin, user } = await findPostgres();
  const child = spawn(join(bin, program), args, {
    cwd: "/",
    stdio: ["pipe", "ignore", "pipe", directory],
    env: { LANG: "C", TZ: "UTC" },
    ...(user === undefined ? {} : { uid: user, gid: user }),
  });
  child.stdin?.on("error", () => {}).end(input);
  // Read on, so that a full pipe never holds it up; the last of it is for errors.
  complaints.set(child, "");
  child.stderr?.on("data", (chunk) => complaints.set(child, `${complaints.get(child)}${chunk}`.slice(-4000)));
  return child;
}

const complaints = new WeakMap<ChildProcess, string>();

async function complaintsOf(child: ChildProcess): Promise<string> {
  if (child.exitCode === null) return "no answer";
  return complaints.get(child) ?? "";
}

/** Single-user mode ends with 0 whatever the statements did, so its complaints count too. */
async function finish(program: string, child: ChildProcess): Promise<void> {
  const [code] = await once(child, "close");
  const said = complaints.get(child) ?? "";
  if (code !== 0 || /(ERROR|FATAL|PANIC):/.test(said))
    throw new Error(`${program} ended with ${code}: ${said}`);
}
