import type { Readable } from "node:stream";
import type { Backup } from "../../core/backup/backup.ts";
import { chooseBackup, parseMoment } from "../../core/backup/choose.ts";
import { archiveKey } from "../../core/backup/key.ts";
import { fault } from "../../core/error.ts";
import { writeArchive } from "../archive/archive.ts";
import { readFinalExport } from "../close/final-export.ts";
import type { RegionContext } from "../region-context.ts";
import { ownBackups } from "./catalogue.ts";
import { type BackupDocument, backupDocument } from "./document.ts";
import { foundWorkflow } from "./found-workflow.ts";
import { type ImportCommand, importArchive } from "./import.ts";
import { type RestorationStatus, restorationStatus } from "./restoration.ts";
import { restoreWorkflow } from "./restore-workflow.ts";
import { archivedTenant, catalogueOf, findTenant, presentAddress } from "./source.ts";
import { foundFrom, restoreInto } from "./start.ts";
import { takeBackup } from "./take.ts";
import { trialWorkflow, tryBackup } from "./trial.ts";

export interface RestoreCommand {
  readonly slug: string;
  /** The backup's id; the newest one that is not bad, unless told. */
  readonly backup?: string;
  /** The newest backup that is not after it: ISO 8601, or like `2h ago`. */
  readonly at?: string;
  /** The slug of a new tenant, in place of the old one. */
  readonly as?: string;
}

/** Backups of tenants and what is made of them, as a region's controller sees to it. */
export interface BackupControl {
  /** Takes a backup now; with `verify` a trial restore too. @throws E_TENANT_STATE and all that {@link takeBackup} does */
  backUp(command: { readonly slug: string; readonly verify: boolean }): Promise<BackupDocument>;
  /** Newest first; none of an earlier tenant that had the slug. @throws E_TENANT_NOT_FOUND */
  backups(query: { readonly slug: string }): Promise<readonly BackupDocument[]>;
  /**
   * Durable: it comes to an end, or is taken back as a whole, whatever crashes.
   * @throws E_BACKUP_NOT_FOUND, E_ARGUMENT, E_TENANT_STATE, E_TENANT_BUSY, E_ARCHIVE_SCHEMA, E_TENANT_SLUG_TAKEN
   */
  startRestore(command: RestoreCommand): Promise<RestorationStatus>;
  /**
   * The status of a restore or import once it has more than `seen` events, or after `timeoutSeconds`.
   * @throws E_NOT_FOUND
   */
  waitForRestore(query: {
    readonly id: string;
    readonly seen: number;
    readonly timeoutSeconds: number;
  }): Promise<RestorationStatus>;
}

/** What goes as a stream, and not as JSON. */
export interface BackupStreams {
  /** The tenant's archive as it is now, not encrypted. The stream fails rather than end early. */
  exportArchive(query: { readonly slug: string }): Promise<Readable>;
  /** Takes an archive in, checks all of it, and only then begins. @throws E_ARCHIVE_… and as `startRestore` */
  importArchive(command: ImportCommand, body: Readable): Promise<RestorationStatus>;
}

/** Registers the workflows; call before they are launched. */
export function backupControl(context: RegionContext): BackupControl & BackupStreams {
  const { platform } = context;
  platform.workflows.register(restoreWorkflow(context));
  platform.workflows.register(foundWorkflow(context));
  platform.workflows.register(trialWorkflow(context));
  const catalogue = catalogueOf(context);
  const backupsOf = async (slug: string): Promise<Backup[]> => {
    const { createdAt } = await findTenant(context, slug);
    return ownBackups(await catalogue.list(slug), createdAt);
  };
  return {
    async backUp({ slug, verify }) {
      const backup = await takeBackup(context, { slug, reason: "manual" });
      if (!verify) return backupDocument(backup);
      await tryBackup(context, backup);
      return backupDocument((await catalogue.find(backup.id)) ?? backup);
    },
    backups: async ({ slug }) => (await backupsOf(slug)).map(backupDocument),
    async startRestore({ slug, backup: id, at, as }) {
      const moment = at === undefined ? undefined : parseMoment(at, platform.clock.now());
      const backup = chooseBackup(await backupsOf(slug), {
        slug,
        ...(id === undefined ? {} : { id }),
        ...(moment === undefined ? {} : { at: moment }),
      });
      const origin = {
        backup: backup.id,
        takenAt: backup.takenAt.toISOString(),
        at: moment?.toISOString() ?? null,
      };
      const source = { key: archiveKey(backup), sealedFor: backup.slug };
      const wish = { kind: "restore", source, origin } as const;
      if (as === undefined) return restoreInto(context, { ...wish, slug });
      const { plan } = await findTenant(context, slug);
      return foundFrom(context, { ...wish, slug: as, plan });
    },
    async waitForRestore({ id, seen, timeoutSeconds }) {
      const execution = await platform.workflows.waitForChange(id, seen, timeoutSeconds);
      const status = execution && restorationStatus(execution);
      if (status) return status;
      throw fault("E_NOT_FOUND", `There is no restore "${id}".`);
    },
    async exportArchive({ slug }) {
      const entry = await findTenant(context, slug);
      if (entry.state === "closed") return readFinalExport(context, slug);
      const writer = writeArchive({
        source: await presentAddress(context, entry),
        tenant: await archivedTenant(context, entry),
        objects: platform.objects,
      });
      // Whoever reads the stream is told of a failure by it.
      writer.manifest.catch(() => {});
      return writer.stream;
    },
    importArchive: (command, body) => importArchive(context, command, body),
  };
}
