import type { Directory } from "../../control/directory.ts";
import { runMigrations } from "../../control/migration/run.ts";
import type { RegionControl } from "../../control/region-control.ts";
import { toRowhouseError } from "../../core/error.ts";
import { createSystemClock } from "../../node/clock.ts";

const limits = { canaries: 1, concurrency: 4, maxFailures: 10 } as const;

/**
 * Brings the tenants that there are to the schema of the release that this start built. A tenant that can't be migrated
 * keeps nobody from starting: it is told.
 */
export async function migrateAtStart(
  parts: { readonly directory: Directory; readonly regions: ReadonlyMap<string, RegionControl> },
  tell: (message: string) => void,
): Promise<void> {
  try {
    const { applied, failed, later } = await runMigrations({ ...parts, clock: createSystemClock() }, limits);
    if (applied > 0) tell(`${applied} tenants migrated`);
    const left = failed.length + later.length;
    if (left > 0) tell(`${left} tenants keep their older schema; \`rowhouse migrate run\` tells why`);
  } catch (error) {
    tell(`tenants could not be migrated: ${toRowhouseError(error).reason}`);
  }
}
