import { tracingChannel } from "node:diagnostics_channel";
import type { MigrationStep } from "../core/migration/steps.ts";

/** Node's diagnostics channel of migrations, for whoever wants to see where the time goes; silent without listeners. */
export const migrationChannel = "rowhouse:migration";

const channel = tracingChannel<object, { readonly step: MigrationStep }>(migrationChannel);

/** Does one step of a migration, and tells the channel when it begins and ends. */
export function traceStep<T>(step: MigrationStep, work: () => Promise<T>): Promise<T> {
  return channel.tracePromise(work, { step });
}
