import type { Command } from "commander";
import type { BackupDocument } from "../../../control/backup/document.ts";
import { megabytes } from "../../archive/byte-progress.ts";
import { openControlApi } from "../../control-api.ts";
import { example, type Invocation } from "../../invocation.ts";
import { pairs } from "../../output.ts";

type TakenBackup = BackupDocument & { readonly durationMs: number };

/** `rowhouse tenant backup <slug>`: ends with exit code 1 when a trial restore did not give it back. */
export function addTenantBackup(parent: Command, invocation: Invocation): void {
  parent
    .command("backup")
    .description("take a backup of a tenant now, while it is served")
    .argument("<slug>", "the tenant's slug")
    .option("--verify", "restore it on trial, beside the tenant, and compare every row")
    .addHelpText("after", example(invocation, "$0 tenant backup acme --verify"))
    .action(async (slug: string, { verify }: { verify?: true }, command: Command) => {
      const { output } = invocation;
      await using client = await openControlApi(invocation, command);
      output.progress(verify ? `Backing ${slug} up, and trying the backup …` : `Backing ${slug} up …`);
      const backup = await client.request<TakenBackup>(`/v1/tenants/${encodeURIComponent(slug)}/backups`, {
        method: "POST",
        body: { verify: verify === true },
      });
      output.result(backup, () => describeBackup(backup));
      if (backup.failure) invocation.exitCode = 1;
    });
}

function describeBackup(backup: TakenBackup): string {
  const { id, takenAt, rows, files, bytes, copiedAt, verifiedAt, failure, durationMs } = backup;
  return pairs({
    id,
    "as of": takenAt,
    data: `${rows} rows, ${files} files, ${megabytes(bytes)} stored`,
    "copied at": copiedAt,
    "verified at": verifiedAt,
    ...(failure && { "trial restore": `${failure.message} [${failure.code}]` }),
    taken: `in ${durationMs} ms`,
  });
}
