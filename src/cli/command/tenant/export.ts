import { resolve } from "node:path";
import { pipeline } from "node:stream/promises";
import type { Command } from "commander";
import { fault, RowhouseError } from "../../../core/error.ts";
import { byteProgress, megabytes } from "../../archive/byte-progress.ts";
import { receiveArchive } from "../../archive/receive-archive.ts";
import { openControlApi } from "../../control-api.ts";
import { example, type Invocation } from "../../invocation.ts";

/** `rowhouse tenant export <slug> --to <file>` */
export function addTenantExport(parent: Command, invocation: Invocation): void {
  parent
    .command("export")
    .description("write all of a tenant's data into one archive, not encrypted, while it is served")
    .argument("<slug>", "the tenant's slug")
    .requiredOption("--to <file>", "the archive; - for standard output")
    .addHelpText("after", example(invocation, "$0 tenant export acme --to acme.zip"))
    .action(async (slug: string, { to }: { to: string }, command: Command) => {
      const { output, context } = invocation;
      if (to === "-" && output.json)
        throw fault("E_ARGUMENT", "With --json the archive can't go to standard output, too.", {
          remedy: "Name a file, or leave out --json.",
        });
      const startedAt = performance.now();
      await using client = await openControlApi(invocation, command);
      const archive = await client.download(`/v1/tenants/${encodeURIComponent(slug)}/export`);
      if (to === "-") {
        // A reader finds out by itself that an archive that breaks off is not whole: its table of contents comes last.
        await pipeline(archive, byteProgress(output, "written"), context.stdout, { end: false }).catch(
          broken,
        );
        return;
      }
      const file = resolve(context.workingDirectory, to);
      const { bytes, sha256, manifest } = await receiveArchive(archive, file, output);
      const document = {
        slug,
        file,
        bytes,
        sha256,
        takenAt: manifest.snapshot.time,
        schemaVersion: manifest.schema.version,
        rows: manifest.tables.reduce((sum, { rows }) => sum + rows, 0),
        files: manifest.files.count,
        durationMs: Math.round(performance.now() - startedAt),
      };
      output.result(
        document,
        () =>
          `${file} has ${slug} as of ${document.takenAt}: ${document.rows} rows, ${document.files} files, ${megabytes(bytes)}.\nSHA-256 ${sha256}`,
      );
    });
}

function broken(cause: unknown): never {
  if (cause instanceof RowhouseError) throw cause;
  throw fault("E_NOT_RUNNING", "The connection broke off: what was written is no whole archive.", { cause });
}
