import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { access, chown, type FileHandle, mkdtemp, open, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { findPostgres } from "../../../src/embedded/postgres/binaries.ts";
import { buildStandby } from "../../../src/embedded/postgres/standby.ts";
import { createSystemClock } from "../../../src/node/clock.ts";
import type { DatabaseCredentials, DatabaseNode } from "../../../src/ports/databases.ts";
import { type ConnectOptions, connect } from "../../../src/postgres/connect.ts";
import { quoteIdentifier, quoteLiteral } from "../../../src/postgres/identifier.ts";
import { generatePassword, scramVerifier } from "../../../src/postgres/scram.ts";

interface Certificate {
  readonly certificate: string;
  readonly key: string;
}

/** A data folder with a real Postgres that is set up as RDS sets it up; it runs between `start` and `stop`. */
export interface RdsPostgres {
  start(address: DatabaseNode): Promise<void>;
  /** `crash`: as if its machine went away. */
  stop(how: "in order" | "crash"): Promise<void>;
  /** A replica's: from now on its source is at this address. */
  follow(source: DatabaseNode): Promise<void>;
  /** Ends a replica's following, and resolves when it takes writes. */
  promote(): Promise<void>;
  /** For another host name. */
  setCertificate(certificate: Certificate): Promise<void>;
  /** What RDS does when it is given another password. */
  setPassword(administrator: DatabaseCredentials): Promise<void>;
  /** The data folder as a replica of another region is made from it, named by the slot that keeps its WAL. */
  copyFor(replica: string, into: string): Promise<void>;
  /** Stops it and removes its data. */
  remove(): Promise<void>;
}

const startMilliseconds = 30_000;

const settings = {
  unix_socket_directories: "",
  fsync: "off",
  max_connections: 500,
  wal_level: "logical",
  max_replication_slots: 50,
  max_wal_senders: 50,
  max_slot_wal_keep_size: "8GB",
  wal_retrieve_retry_interval: "50ms",
  wal_receiver_status_interval: "1s",
  wal_receiver_timeout: "5s",
  ssl: "on",
  ssl_cert_file: "server.pem",
  ssl_key_file: "server.key",
};

/** RDS's own hand in a server, by which replicas follow it; no one else has its password. */
const replicationRole = { user: "rdsrepladmin", password: generatePassword() };

/**
 * What RDS for PostgreSQL 18 has before anyone connects. The superuser is RDS's own, `rdsadmin`. The administrator is a
 * member of `rds_superuser`, which is no superuser, and owns the databases `postgres` and `template1`. It may decode
 * changes: on RDS as a member of `rds_replication`, in an unchanged Postgres by the attribute REPLICATION. It may set
 * `session_replication_role`, and let others do so.
 * https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/Appendix.PostgreSQL.CommonDBATasks.Roles.rds_superuser.html
 * https://github.com/cityofaustin/atd-data-tech/issues/23488
 */
function firstStatements(administrator: DatabaseCredentials): string {
  const user = quoteIdentifier(administrator.user);
  const attributes = "LOGIN NOSUPERUSER INHERIT CREATEDB CREATEROLE REPLICATION VALID UNTIL 'infinity'";
  const { user: replicator, password } = replicationRole;
  return [
    "CREATE ROLE rds_superuser NOLOGIN",
    "CREATE ROLE rds_replication NOLOGIN",
    "CREATE ROLE rds_password NOLOGIN",
    "GRANT pg_monitor, pg_signal_backend, pg_checkpoint, rds_replication, rds_password TO rds_superuser WITH ADMIN OPTION",
    `CREATE ROLE ${user} ${attributes} PASSWORD ${quoteLiteral(scramVerifier(administrator.password))}`,
    `GRANT rds_superuser TO ${user}`,
    "GRANT SET ON PARAMETER session_replication_role TO rds_superuser WITH GRANT OPTION",
    `CREATE ROLE ${replicator} LOGIN SUPERUSER REPLICATION PASSWORD ${quoteLiteral(scramVerifier(password))}`,
    `ALTER DATABASE postgres OWNER TO ${user}`,
    `ALTER DATABASE template1 OWNER TO ${user}`,
    "CREATE DATABASE rdsadmin",
    "REVOKE ALL ON DATABASE rdsadmin FROM PUBLIC",
    "",
  ].join("\n");
}

/** No login of others than RDS itself without TLS (`rds.force_ssl`), none without password, none as `rdsadmin`. */
const authentication = [
  "hostssl all rdsadmin all reject",
  `host replication,postgres ${replicationRole.user} all scram-sha-256`,
  "hostssl all all all scram-sha-256",
  "",
].join("\n");

/** Makes the data folder, as a user who is not root; nothing runs yet. */
export async function createRdsPostgres(
  options: Certificate & { readonly administrator: DatabaseCredentials },
): Promise<RdsPostgres> {
  const folder = await makeFolder();
  // The path may lead through folders that only root may enter.
  const directory = await open(folder);
  const initdb = ["-D", dataOf(folder), "-U", "rdsadmin", "-A", "trust", "--no-sync"];
  await finish("initdb", await spawnPostgres("initdb", [...initdb, ...locale], directory.fd));
  const single = ["--single", "-D", dataOf(folder), "-c", "fsync=off", "postgres"];
  await finish(
    "postgres",
    await spawnPostgres("postgres", single, directory.fd, firstStatements(options.administrator)),
  );
  await writeOwnFiles(folder, options);
  return new RunnablePostgres(folder, directory);
}

/** The same as a replica of a server that runs, `name` being its name there; it follows once it is started. */
export async function createRdsReplica(
  options: Certificate & { readonly source: RdsPostgres; readonly name: string; readonly at: DatabaseNode },
): Promise<RdsPostgres> {
  const folder = await makeFolder();
  await options.source.copyFor(options.name, folder);
  await writeOwnFiles(folder, options);
  await writeOwnFile(folder, "postgresql.conf", "");
  await writeOwnFile(folder, "standby.signal", "");
  const replica = new RunnablePostgres(folder, await open(folder), options.name);
  await replica.follow(options.at);
  return replica;
}

const locale = ["-E", "UTF8", "--locale=C"];

async function makeFolder(): Promise<string> {
  const { user } = await findPostgres();
  const folder = await mkdtemp(join(tmpdir(), "rowhouse-test-rds-"));
  if (user !== undefined) await chown(folder, user, user);
  return folder;
}

/** How a program that was given the folder as descriptor 3 is told of it. */
function dataOf(folder: string): string {
  return process.platform === "linux" ? "/proc/self/fd/3" : folder;
}

async function writeOwnFiles(folder: string, { certificate, key }: Certificate): Promise<void> {
  const files = { "pg_hba.conf": authentication, "server.pem": certificate, "server.key": key };
  for (const [name, text] of Object.entries(files)) await writeOwnFile(folder, name, text);
}

async function writeOwnFile(folder: string, name: string, text: string): Promise<void> {
  const { user } = await findPostgres();
  await writeFile(join(folder, name), text, { mode: 0o600 });
  if (user !== undefined) await chown(join(folder, name), user, user);
}

class RunnablePostgres implements RdsPostgres {
  readonly #folder: string;
  readonly #directory: FileHandle;
  /** Name of the slot, of a replica. */
  readonly #slot: string | undefined;
  #server: ChildProcess | undefined;
  #address: DatabaseNode | undefined;

  constructor(folder: string, directory: FileHandle, slot?: string) {
    this.#folder = folder;
    this.#directory = directory;
    this.#slot = slot;
  }

  async start({ host, port }: DatabaseNode): Promise<void> {
    this.#address = { host, port };
    const all = { ...settings, listen_addresses: host, port };
    const args = Object.entries(all).flatMap(([name, value]) => ["-c", `${name}=${value}`]);
    const server = await spawnPostgres("postgres", ["-D", dataOf(this.#folder), ...args], this.#directory.fd);
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

  async follow({ host, port }: DatabaseNode): Promise<void> {
    const { user, password } = replicationRole;
    const source = `host=${host} port=${port} user=${user} password=${password} connect_timeout=2`;
    const lines = [`primary_conninfo = '${source}'`, `primary_slot_name = '${this.#slot}'`, ""];
    await writeOwnFile(this.#folder, "postgresql.auto.conf", lines.join("\n"));
    this.#server?.kill("SIGHUP");
  }

  async promote(): Promise<void> {
    const isReplica = await access(join(this.#folder, "standby.signal")).then(
      () => true,
      () => false,
    );
    if (isReplica) await this.#query("SELECT pg_promote()");
  }

  async setCertificate(certificate: Certificate): Promise<void> {
    await writeOwnFiles(this.#folder, certificate);
    this.#server?.kill("SIGHUP");
  }

  async setPassword({ user, password }: DatabaseCredentials): Promise<void> {
    await this.#query(
      `ALTER ROLE ${quoteIdentifier(user)} PASSWORD ${quoteLiteral(scramVerifier(password))}`,
    );
  }

  async copyFor(replica: string, into: string): Promise<void> {
    await buildStandby({
      primary: { ...this.#self(), dataFolder: this.#folder },
      name: replica,
      into,
      user: (await findPostgres()).user,
      clock: createSystemClock(),
      signal: new AbortController().signal,
    });
  }

  async #query(sql: string): Promise<void> {
    const client = await connect({
      ...this.#self(),
      database: "postgres",
      applicationName: "rds",
      role: "reader",
    });
    await client.query(sql).finally(() => client.end());
  }

  #self(): Pick<ConnectOptions, "endpoint" | "credentials"> {
    return { endpoint: { nodes: this.#address ? [this.#address] : [] }, credentials: replicationRole };
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
