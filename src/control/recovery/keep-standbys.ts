import type { RegionContext } from "../region-context.ts";

/**
 * Removes the standbys whose server is gone from this region's recovery region, gives every server one there, and makes
 * those anew that follow no more. One that can't be made or removed does not keep the others from it.
 *
 * @throws what the first of those failed with, at the end
 */
export async function keepStandbys({ platform, name }: RegionContext): Promise<void> {
  const replicas = platform.recovery?.replicas;
  if (!replicas) return;
  const own = (await replicas.list()).filter(({ source }) => source === name);
  const servers = (await platform.databases.list()).filter(
    ({ status }) => status === "available" || status === "degraded",
  );
  const faults: unknown[] = [];
  const attempt = (work: Promise<void>) => work.catch((error: unknown) => void faults.push(error));
  // First: what they leave free may be wanted for the others.
  for (const { server } of own) {
    if (!(await platform.databases.describe(server)))
      await attempt(replicas.delete({ source: name, server }));
  }
  for (const { name: server } of servers) {
    const found = own.find((replica) => replica.server === server);
    if (found?.status !== "following") await attempt(replicas.create({ source: name, server }));
  }
  if (faults.length > 0) throw faults[0];
}
