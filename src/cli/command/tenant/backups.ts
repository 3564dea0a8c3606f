import type { Command } from "commander";
import type { BackupDocument } from "../../../control/backup/document.ts";
import { megabytes } from "../../archive/byte-progress.ts";
import { openControlApi } from "../../control-api.ts";
import { example, type Invocation } from "../../invocation.ts";
import { table } from "../../output.ts";

/** `rowhouse tenant backups <slug>` */
export function addTenantBackups(parent: Command, invocation: Invocation): void {
  parent
    .command("backups")
    .description("list a tenant's backups, newest first")
    .argument("<slug>", "the tenant's slug")
    .addHelpText("after", example(invocation, "$0 tenant backups acme"))
    .action(async (slug: string, _options: object, command: Command) => {
      await using client = await openControlApi(invocation, command);
      const path = `/v1/tenants/${encodeURIComponent(slug)}/backups`;
      const backups = await client.request<BackupDocument[]>(path);
      invocation.output.result(backups, () => describeBackups(backups, slug));
    });
}

function describeBackups(backups: readonly BackupDocument[], slug: string): string {
  if (backups.length === 0) return `There is no backup of ${slug} yet.`;
  return table(
    ["ID", "AS OF", "REASON", "SCHEMA", "ROWS", "FILES", "SIZE", "COPIED", "VERIFIED"],
    backups.map(
      ({ id, takenAt, reason, schemaVersion, rows, files, bytes, copiedAt, verifiedAt, failure }) => [
        id,
        takenAt,
        reason,
        schemaVersion,
        rows,
        files,
        megabytes(bytes),
        copiedAt,
        failure ? `FAILED: ${failure.message}` : verifiedAt,
      ],
    ),
  );
}
