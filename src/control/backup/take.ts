import type { ArchiveManifest } from "../../core/archive/manifest.ts";
import type { Backup, BackupReason } from "../../core/backup/backup.ts";
import { archiveKey, formatRecord, recordKey } from "../../core/backup/key.ts";
import { fault } from "../../core/error.ts";
import type { TenantState } from "../../core/tenant/lifecycle.ts";
import { encryptArchive, type WriteArchiveOptions, writeArchive } from "../archive/archive.ts";
import type { RegionContext } from "../region-context.ts";
import { repeat } from "../repeat.ts";
import type { UnfinishedBackup, WrittenArchive } from "./catalogue.ts";
import { copyToRecovery } from "./copy.ts";
import { discardBackup } from "./remove.ts";
import { archivedTenant, catalogueOf, findTenant, presentAddress } from "./source.ts";

const touchPauseMilliseconds = 10_000;

const backedUpStates: readonly TenantState[] = ["active", "suspended", "moving"];

/**
 * Takes a backup of a tenant while it is served, and copies it to the recovery region where there is one; a copy that
 * does not succeed is made later. A failure, or a crash at any point, leaves nothing that counts.
 * @throws E_TENANT_NOT_FOUND, E_TENANT_STATE, E_ARCHIVE_UNSUPPORTED, E_DATABASE_UNAVAILABLE, E_DISK_FULL
 */
export async function takeBackup(
  context: RegionContext,
  wish: { readonly slug: string; readonly reason: BackupReason },
): Promise<Backup> {
  const entry = await findTenant(context, wish.slug);
  if (!backedUpStates.includes(entry.state))
    throw fault("E_TENANT_STATE", `The tenant "${wish.slug}" is ${entry.state}, and has no data to back up.`);
  const catalogue = catalogueOf(context);
  const backup: UnfinishedBackup = {
    id: catalogue.newId(),
    ...wish,
    region: context.name,
    tenantCreatedAt: entry.createdAt,
    location: null,
  };
  const source = await presentAddress(context, entry);
  await catalogue.begin(backup, "writing");
  try {
    return await storeBackup(context, backup, {
      source,
      tenant: await archivedTenant(context, entry),
      objects: context.platform.objects,
    });
  } catch (error) {
    await discardBackup(context, backup, { isMine: true }).catch(() => {});
    throw error;
  }
}

/** Writes the archive of `contents` into the backup that was begun, and makes it count; as of `takenAt`, if not of now. */
export async function storeBackup(
  context: RegionContext,
  backup: UnfinishedBackup,
  contents: WriteArchiveOptions,
  takenAt?: Date,
): Promise<Backup> {
  const catalogue = catalogueOf(context);
  const { clock, objects } = context.platform;
  const touching = repeat({ clock, pauseMilliseconds: touchPauseMilliseconds, onFault: () => {} }, () =>
    catalogue.touch(backup.id),
  );
  try {
    const written = { ...(await writeSealed(context, backup, contents)), ...(takenAt && { takenAt }) };
    const { id, slug, region, tenantCreatedAt, reason } = backup;
    const record = formatRecord({ id, slug, region, tenantCreatedAt, reason, ...written });
    // Last: where the record is, the archive is whole.
    const body = Buffer.from(record);
    await objects.put({ key: recordKey(backup), body, contentType: "application/json" });
    const whole = await catalogue.complete(id, written);
    return (await copyToRecovery(context, whole).catch(() => undefined)) ?? whole;
  } finally {
    await touching.stop();
  }
}

async function writeSealed(
  { platform }: RegionContext,
  backup: UnfinishedBackup,
  contents: WriteArchiveOptions,
): Promise<WrittenArchive> {
  const { keys, objects } = platform;
  const writer = writeArchive(contents);
  // Whoever waits for the stream hears of a failure first.
  writer.manifest.catch(() => {});
  const sealed = await encryptArchive(writer.stream, { keys, slug: backup.slug }).catch((error: unknown) => {
    writer.stream.destroy();
    throw error;
  });
  try {
    const { size } = await objects.put({ key: archiveKey(backup), body: sealed });
    return { ...describe(await writer.manifest), bytes: size };
  } finally {
    sealed.destroy();
  }
}

function describe(manifest: ArchiveManifest): Omit<WrittenArchive, "bytes"> {
  return {
    takenAt: new Date(manifest.snapshot.time),
    schemaVersion: manifest.schema.version,
    rows: manifest.tables.reduce((sum, { rows }) => sum + rows, 0),
    files: manifest.files.count,
  };
}
