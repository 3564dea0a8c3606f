import { basename, join } from "node:path";
import type pg from "pg";
import type { Clock } from "../../ports/clock.ts";
import { type ConnectOptions, connect } from "../../postgres/connect.ts";
import { copyDataFolder, type LeaveOut } from "./copy-folder.ts";
import { writeDataFile } from "./data-folder.ts";

const slotReleaseMilliseconds = 5000;

/**
 * Makes a standby's data folder from a running primary: an online backup by the low-level API, whose WAL the
 * standby's new slot keeps. A folder left by a failure is not whole, and the caller's to remove.
 * Source: PostgreSQL's documentation, "Making a Base Backup Using the Low Level API".
 * @throws E_DISK_FULL, E_DATABASE_UNAVAILABLE
 */
export async function buildStandby(options: {
  readonly primary: Pick<ConnectOptions, "endpoint" | "credentials"> & { readonly dataFolder: string };
  /** The standby's name, and so its slot's. */
  readonly name: string;
  readonly into: string;
  readonly user: number | undefined;
  readonly clock: Clock;
  readonly signal: AbortSignal;
}): Promise<void> {
  const { primary, name, into, user, clock, signal } = options;
  const client = await connect({ ...primary, database: "postgres", applicationName: "rowhouse-backup" });
  const cut = () => void client.end().catch(() => {});
  signal.addEventListener("abort", cut, { once: true });
  try {
    await renewSlot(client, name, clock);
    await client.query("SELECT pg_backup_start($1, fast => true)", [name]);
    await copyDataFolder({ from: primary.dataFolder, into, user, leaveOut: notOfABackup, signal });
    const { rows } = await client.query<{ labelfile: string; spcmapfile: string }>(
      "SELECT labelfile, spcmapfile FROM pg_backup_stop(wait_for_archive => false)",
    );
    await writeDataFile(join(into, "backup_label"), rows[0]?.labelfile ?? "", user);
  } finally {
    signal.removeEventListener("abort", cut);
    await client.end();
  }
}

/** Makes the slot that keeps WAL for the standby of that name, unless it is there. */
export const ensureSlotSql = `SELECT pg_create_physical_replication_slot($1, immediately_reserve => true)
  WHERE NOT EXISTS (SELECT FROM pg_replication_slots WHERE slot_name = $1)`;

/** A fresh slot keeps the WAL from now on; the old one keeps what nobody needs, or lost what was needed. */
async function renewSlot(client: pg.Client, slot: string, clock: Clock): Promise<void> {
  const deadline = clock.elapsedMilliseconds() + slotReleaseMilliseconds;
  for (;;) {
    try {
      await client.query(
        "SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots WHERE slot_name = $1 AND active",
        [slot],
      );
      await client.query(
        "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE slot_name = $1",
        [slot],
      );
      await client.query(ensureSlotSql, [slot]);
      return;
    } catch (error) {
      const isStillInUse = (error as { code?: string }).code === "55006";
      if (!isStillInUse || clock.elapsedMilliseconds() > deadline) throw error;
      await clock.sleep(20);
    }
  }
}

const emptyFolders = new Set([
  "pg_dynshmem",
  "pg_notify",
  "pg_replslot",
  "pg_serial",
  "pg_snapshots",
  "pg_stat_tmp",
  "pg_subtrans",
  "pg_wal",
]);
const ownFiles =
  /^(postmaster\.(pid|opts)|postgresql\.conf(\.new)?|pg_hba\.conf(\.new)?|standby\.signal|recovery\.signal|backup_label(\.old)?|tablespace_map(\.old)?|pg_internal\.init.*)$/;

/** What is the primary's alone, or made anew at each start: the list of pg_basebackup. */
const notOfABackup: LeaveOut = {
  file: (path) => ownFiles.test(basename(path)),
  contentOf: (path) => emptyFolders.has(path) || basename(path).startsWith("pgsql_tmp"),
};
