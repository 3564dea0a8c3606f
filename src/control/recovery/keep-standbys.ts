import type { RegionContext } from "../region-context.ts";

/**
 * Gives every database server of this region a standby in its recovery region, makes those anew that follow no more,
 * and removes those whose server is gone.
 */
export async function keepStandbys({ platform, name }: RegionContext): Promise<void> {
  const replicas = platform.recovery?.replicas;
  if (!replicas) return;
  const own = (await replicas.list()).filter(({ source }) => source === name);
  const servers = (await platform.databases.list()).filter(
    ({ status }) => status === "available" || status === "degraded",
  );
  for (const { name: server } of servers) {
    const found = own.find((replica) => replica.server === server);
    if (found?.status !== "following") await replicas.create({ source: name, server });
  }
  for (const { server } of own) {
    if (!(await platform.databases.describe(server))) await replicas.delete({ source: name, server });
  }
}
