import { fault } from "../../core/error.ts";
import type { Clock } from "../../ports/clock.ts";
import type { DatabaseServerStatus, Databases } from "../../ports/databases.ts";

/** A server that handed over to its standby. */
export interface FailedOver {
  /** The primary before; its zone is `null` where nobody could tell. */
  readonly from: { readonly zone: string | null };
  /** The primary now. */
  readonly to: { readonly zone: string | null };
  readonly durationMs: number;
}

/** What the control plane asks a region of its database servers. */
export interface DatabaseControl {
  databases(): Promise<readonly DatabaseServerStatus[]>;
  /** Makes the standby the primary. @throws E_NOT_FOUND, E_STANDBY_BEHIND */
  failOverDatabase(command: { readonly server: string }): Promise<FailedOver>;
}

/** The database servers of one region, or the directory's. */
export function databaseControl(platform: {
  readonly databases: Pick<Databases, "list" | "describe" | "failOver">;
  readonly clock: Clock;
}): DatabaseControl {
  const { databases, clock } = platform;
  const zoneOf = async (server: string) => (await databases.describe(server))?.primary?.zone ?? null;
  return {
    databases: () => databases.list(),
    async failOverDatabase({ server }) {
      const found = await databases.describe(server);
      if (!found) throw fault("E_NOT_FOUND", `There is no database server "${server}".`);
      const startedAt = clock.elapsedMilliseconds();
      await databases.failOver(server);
      const durationMs = Math.round(clock.elapsedMilliseconds() - startedAt);
      const { zone = null } = found.primary ?? {};
      return { from: { zone }, to: { zone: await zoneOf(server) }, durationMs };
    },
  };
}
