import { createReadStream } from "node:fs";
import { resolve } from "node:path";
import { pipeline } from "node:stream";
import type { Command } from "commander";
import { archiveInFile, openArchive } from "../../../control/archive/archive.ts";
import type { RestorationStatus } from "../../../control/backup/restoration.ts";
import type { TenantDocument } from "../../../control/tenant-document.ts";
import { fault, RowhouseError } from "../../../core/error.ts";
import { byteProgress } from "../../archive/byte-progress.ts";
import { describeRestore, followRestore } from "../../archive/follow-restore.ts";
import type { ApiClient } from "../../client.ts";
import { confirm } from "../../confirm.ts";
import { openControlApi } from "../../control-api.ts";
import { example, type Invocation } from "../../invocation.ts";

interface ImportOptions {
  readonly from: string;
  readonly region?: string;
  readonly plan?: string;
  readonly name?: string;
  readonly email?: string;
  readonly yes?: true;
}

/** `rowhouse tenant import <slug> --from <file>`: asks first when the tenant is there already. */
export function addTenantImport(parent: Command, invocation: Invocation): void {
  parent
    .command("import")
    .description("take an archive in, as a new tenant or in place of a tenant's data")
    .argument("<slug>", "the tenant's slug")
    .requiredOption("--from <file>", "what `tenant export` wrote, here or elsewhere")
    .option("--region <region>", "where a new tenant is to live; else as the archive says")
    .option("--plan <plan>", "what a new tenant bought; else as the archive says")
    .option("--name <name>", "a new tenant's name; else as the archive says")
    .option("--email <address>", "a new tenant's administrator; else as the archive says")
    .option("--yes", "don't ask")
    .addHelpText(
      "after",
      example(invocation, "$0 tenant import acme-copy --from acme.zip --region eu-west-1"),
    )
    .action(async (slug: string, { from, yes, ...profile }: ImportOptions, command: Command) => {
      const { context, output } = invocation;
      const file = resolve(context.workingDirectory, from);
      const archived = await readTenant(file);
      await using client = await openControlApi(invocation, command);
      const present = await findTenant(client, slug);
      if (present)
        await confirm(context, {
          text: `This replaces all data of ${slug}${present.name === null ? "" : ` (${present.name})`} in ${present.region} by that of ${archived.slug}. The state before is kept as a backup.`,
          answer: slug,
          yes: yes === true,
        });
      const query = present ? { replace: "1" } : { region: archived.region, ...profile };
      const path = `/v1/tenants/${encodeURIComponent(slug)}/import?${new URLSearchParams(query)}`;
      const bytes = pipeline(createReadStream(file), byteProgress(output, "sent"), () => {});
      output.progress(`Sending ${file} …`);
      const begun = await client.upload<RestorationStatus>(path, bytes, "application/zip");
      const result = await followRestore(client, begun, output);
      output.result(result, () => describeRestore(result));
    });
}

/** Who the archive is of; a file that is none is refused before it is sent. @throws E_ARGUMENT, E_ARCHIVE_… */
async function readTenant(file: string): Promise<{ readonly slug: string; readonly region: string }> {
  const bytes = await archiveInFile(file).catch((cause: Error) => {
    throw fault("E_ARGUMENT", `The file ${file} can't be read: ${cause.message}.`, { cause });
  });
  const archive = await openArchive(bytes);
  await archive.close();
  return archive.manifest.tenant;
}

async function findTenant(client: ApiClient, slug: string): Promise<TenantDocument | undefined> {
  try {
    return await client.request<TenantDocument>(`/v1/tenants/${encodeURIComponent(slug)}`);
  } catch (error) {
    if (error instanceof RowhouseError && error.code === "E_TENANT_NOT_FOUND") return undefined;
    throw error;
  }
}
