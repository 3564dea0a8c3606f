import { administratorRole, replicationRole, type ServerSize } from "./server-state.ts";

export interface NodeConfiguration {
  /** Shown in the process list. */
  readonly title: string;
  readonly size: ServerSize;
  readonly host: string;
  readonly port: number;
  readonly role: PrimaryRole | StandbyRole;
}

interface PrimaryRole {
  readonly kind: "primary";
  /** Zone of the standby that each commit waits for; `null`: commits wait for none. */
  readonly waitsFor: string | null;
}

interface StandbyRole {
  readonly kind: "standby";
  /** Its `application_name`, and its slot on the primary. */
  readonly name: string;
  readonly upstream: { readonly host: string; readonly port: number; readonly password: string };
}

type Settings = Readonly<Record<string, string | number>>;

/** The name of the standby in a server's other zone, as {@link StandbyRole} has it. */
export function standbyName(zone: string): string {
  return `zone_${zone}`;
}

/** The whole `postgresql.conf` of a node. */
export function renderConfiguration(node: NodeConfiguration): string {
  const settings: Settings = {
    ...commonSettings,
    ...sizeSettings[node.size],
    ...roleSettings(node.role),
    listen_addresses: node.host,
    port: node.port,
    cluster_name: node.title,
    // Before recovery all files must be on the disk. Opening each of 17,000 took 4 to 10 s, one call took 0.2 s.
    ...(process.platform === "linux" ? { recovery_init_sync_method: "syncfs" } : {}),
  };
  const lines = Object.entries(settings).map(([name, value]) => `${name} = ${quote(value)}`);
  return `# Written by Rowhouse before each start; changes are lost.\n${lines.join("\n")}\n`;
}

/** `pg_hba.conf`: every login by password and over TCP; the replication role for replication alone. */
export function renderAuthentication(host: string): string {
  return [
    `host replication ${replicationRole} ${host}/32 scram-sha-256`,
    `host all ${replicationRole} ${host}/32 reject`,
    `host all all ${host}/32 scram-sha-256`,
    "",
  ].join("\n");
}

/** SQL for the first start in single-user mode, one statement a line. The passwords are SCRAM verifiers. */
export function firstStatements(verifiers: {
  readonly administrator: string;
  readonly replication: string;
}): string {
  return [
    `ALTER ROLE ${administratorRole} PASSWORD '${verifiers.administrator}'`,
    `CREATE ROLE ${replicationRole} LOGIN REPLICATION PASSWORD '${verifiers.replication}'`,
    // Any login may connect to these two by default, a tenant's too.
    "REVOKE CONNECT, TEMPORARY ON DATABASE postgres FROM PUBLIC",
    "REVOKE CONNECT, TEMPORARY ON DATABASE template1 FROM PUBLIC",
    "",
  ].join("\n");
}

const commonSettings: Settings = {
  unix_socket_directories: "",
  max_connections: 500,
  password_encryption: "scram-sha-256",
  // For roles made with a password in clear; see scramVerifier on why so few.
  scram_iterations: 64,
  // The configuration is this file; ALTER SYSTEM would be a second one that wins.
  allow_alter_system: "off",

  wal_level: "logical",
  max_wal_senders: 20,
  max_replication_slots: 20,
  synchronous_commit: "on",
  hot_standby: "on",
  // The default of 5 s is what makes promotion and reconnection slow.
  wal_retrieve_retry_interval: "50ms",
  // A standby that says nothing for longer is one that can't be waited for.
  wal_receiver_status_interval: "1s",
  wal_receiver_timeout: "5s",
  wal_sender_timeout: "5s",

  // Data is small and sits in the page cache: worker processes for reads, and compiling queries, cost more than they give.
  io_method: "sync",
  jit: "off",
  // Ends the queries, and so the locks, of an instance that was killed.
  client_connection_check_interval: "2s",

  timezone: "UTC",
  log_timezone: "UTC",
  datestyle: "iso, mdy",
  lc_messages: "C",
  default_text_search_config: "pg_catalog.english",
  log_checkpoints: "off",
  log_line_prefix: "%m [%p] ",
  // Statements and details of errors hold tenants' data and, in CREATE ROLE, passwords.
  log_min_error_statement: "panic",
  log_error_verbosity: "terse",
};

/** A dedicated server serves one tenant, and there are many of them on one machine. */
const sizeSettings: Readonly<Record<ServerSize, Settings>> = {
  shared: {
    shared_buffers: "128MB",
    min_wal_size: "80MB",
    max_wal_size: "512MB",
    // WAL kept for a standby that is away, which is rebuilt when it needs more, and for a tenant that moves: the copy of
    // one that gets a database on the same server is itself written to it.
    max_slot_wal_keep_size: "8GB",
  },
  dedicated: {
    shared_buffers: "32MB",
    min_wal_size: "32MB",
    max_wal_size: "128MB",
    max_slot_wal_keep_size: "2GB",
  },
};

function roleSettings(role: PrimaryRole | StandbyRole): Settings {
  if (role.kind === "primary") {
    return {
      synchronous_standby_names: role.waitsFor === null ? "" : `FIRST 1 (${standbyName(role.waitsFor)})`,
    };
  }
  const { name, upstream } = role;
  const { host, port, password } = upstream;
  return {
    primary_conninfo: `host=${host} port=${port} user=${replicationRole} password=${password} application_name=${name} connect_timeout=2`,
    primary_slot_name: name,
    synchronous_standby_names: "",
  };
}

function quote(value: string | number): string {
  return typeof value === "number" ? String(value) : `'${value.replaceAll("'", "''")}'`;
}
