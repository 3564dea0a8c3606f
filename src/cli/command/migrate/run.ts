import { type Command, InvalidArgumentError } from "commander";
import type { MigrateDocument, MigrateProgress } from "../../../control/migration/run.ts";
import { fault } from "../../../core/error.ts";
import { openControlApi } from "../../control-api.ts";
import { example, type Invocation } from "../../invocation.ts";

interface RunOptions {
  readonly tenant?: string;
  readonly canary?: number;
  readonly concurrency?: number;
  readonly maxFailures?: number;
}

/** `rowhouse migrate run`: ends with exit code 1 when a tenant failed. */
export function addMigrateRun(parent: Command, invocation: Invocation): void {
  parent
    .command("run")
    .description("bring every tenant to the newest schema")
    .option("--tenant <slug>", "this one alone")
    .option("--canary <n>", "how many tenants go first (1)", wholeNumber)
    .option("--concurrency <n>", "how many of a region at the same time (4)", wholeNumber)
    .option("--max-failures <n>", "stop once more than so many have failed (10)", wholeNumber)
    .addHelpText("after", example(invocation, "$0 migrate run --canary 3 --concurrency 8"))
    .action(async (options: RunOptions, command: Command) => {
      await using client = await openControlApi(invocation, command);
      const events = client.events<MigrateDocument | MigrateProgress>("/v1/migrations", {
        method: "POST",
        body: bodyOf(options),
      });
      let result: MigrateDocument | undefined;
      for await (const event of events) {
        if ("durationMs" in event) result = event;
        else invocation.output.progress(`${event.done} of ${event.total}, ${event.message}`);
      }
      if (!result) throw fault("E_INTERNAL", "The run did not come to its end.");
      const document = result;
      invocation.output.result(document, () => describe(document));
      if (document.failed.length > 0) invocation.exitCode = 1;
    });
}

function bodyOf({ tenant, canary, concurrency, maxFailures }: RunOptions): Record<string, unknown> {
  return {
    ...(tenant === undefined ? {} : { tenant }),
    ...(canary === undefined ? {} : { canaries: canary }),
    ...(concurrency === undefined ? {} : { concurrency }),
    ...(maxFailures === undefined ? {} : { maxFailures }),
  };
}

function wholeNumber(text: string): number {
  if (/^\d{1,6}$/.test(text)) return Number(text);
  throw new InvalidArgumentError("It must be a whole number.");
}

function describe({ target, total, applied, skipped, failed, later, stopped, durationMs }: MigrateDocument) {
  return [
    `${total} tenants, schema version ${target}: ${applied} migrated, ${skipped} had it, ${failed.length} failed, ${later.length} in use. ${durationMs} ms.`,
    ...(stopped === null ? [] : [`Stopped: ${stopped}`]),
    ...[...failed, ...later].map(({ slug, error }) => `  ${slug}: ${error.message} [${error.code}]`),
  ].join("\n");
}
