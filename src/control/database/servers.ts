import { fault } from "../../core/error.ts";
import type { DatabaseServerStatus } from "../../ports/databases.ts";
import type { DatabaseControl, FailedOver } from "./control.ts";

/** Where the control plane's own servers are listed: no region can have that name. */
export const globalDatabases = "global";

/** A database server and where it is. */
export interface DatabaseDocument extends DatabaseServerStatus {
  readonly region: string;
  /** The standby has every acknowledged write, and may take over. */
  readonly inSync: boolean;
}

/** What came of a failover. */
export interface FailOverDocument extends FailedOver {
  readonly server: string;
  readonly region: string;
}

type Sources = ReadonlyMap<string, DatabaseControl>;

/** All servers of all regions that answer, by region and name. */
export async function listDatabases(sources: Sources): Promise<DatabaseDocument[]> {
  const lists = await Promise.all(
    [...sources].map(async ([region, control]) => {
      const servers = await control.databases().catch(() => []);
      return servers.map((server) => ({ ...server, region, inSync: server.status === "available" }));
    }),
  );
  return lists.flat();
}

/** Fails a server over. @throws E_NOT_FOUND, E_STANDBY_BEHIND, E_REGION_UNAVAILABLE */
export async function failOverDatabase(
  sources: Sources,
  { region, server }: { readonly region: string; readonly server: string },
): Promise<FailOverDocument> {
  const control = sources.get(region);
  if (!control) {
    throw fault("E_NOT_FOUND", `There is no database server "${server}" in "${region}".`, {
      remedy: "`rowhouse database list` names all of them.",
    });
  }
  return { server, region, ...(await control.failOverDatabase({ server })) };
}
