import { toRowhouseError } from "../../core/error.ts";
import { recoveredServerName } from "../../core/recovery/server-name.ts";
import type { RegionContext } from "../region-context.ts";

/** A lost region's server that this region goes on with. */
export interface RecoveredServer {
  /** Its name there. */
  readonly server: string;
  /** Its name here. */
  readonly name: string;
  /** Until when what it has was true; `null` when nobody can tell. */
  readonly arrivedUntil: Date | null;
}

/** Which failover of which region. */
export interface Loss {
  readonly source: string;
  readonly epoch: number;
}

interface Row {
  server: string;
  name: string;
  arrived_until: Date | null;
}

/**
 * Makes servers of this region of all standbys that it keeps of the lost one. How late each was is asked and written
 * down before, because a server that takes writes can't tell it any more. A standby that can't be promoted is told to
 * `onFault`: its tenants have their backups.
 */
export async function promoteStandbys(
  context: RegionContext,
  loss: Loss,
  onFault: (error: unknown) => void,
): Promise<readonly RecoveredServer[]> {
  const { platform, region } = context;
  const { replicas } = platform;
  if (!replicas) return [];
  await noteStandbys(context, loss);
  const [first = "", second = ""] = region.zones;
  const servers = await recoveredServers(context, loss);
  const promoted = await Promise.all(
    servers.map(async (server) => {
      try {
        await replicas.promote({ ...loss, server: server.server, name: server.name, zones: [first, second] });
        return [server];
      } catch (error) {
        onFault(toRowhouseError(error));
        return [];
      }
    }),
  );
  return promoted.flat();
}

/** Servers that this region took over in that failover, as far as it is. */
async function recoveredServers(
  { pool }: Pick<RegionContext, "pool">,
  { source, epoch }: Loss,
): Promise<readonly RecoveredServer[]> {
  const { rows } = await pool.query<Row>(
    "SELECT server, name, arrived_until FROM recovered_servers WHERE source = $1 AND epoch = $2 ORDER BY server",
    [source, epoch],
  );
  return rows.map(({ server, name, arrived_until: arrivedUntil }) => ({ server, name, arrivedUntil }));
}

async function noteStandbys({ pool, platform }: RegionContext, { source, epoch }: Loss): Promise<void> {
  const all = (await platform.replicas?.list()) ?? [];
  const now = platform.clock.now().getTime();
  for (const { source: of, server, status, lagSeconds } of all) {
    if (of !== source || status === "creating") continue;
    await pool.query(
      `INSERT INTO recovered_servers (source, epoch, server, name, arrived_until) VALUES ($1, $2, $3, $4, $5)
       ON CONFLICT DO NOTHING`,
      [
        ...[source, epoch, server, recoveredServerName(source, server, epoch)],
        lagSeconds === null ? null : new Date(now - lagSeconds * 1000),
      ],
    );
  }
}
