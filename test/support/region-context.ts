import { assembleRegion, type RegionParts } from "../../src/control/assemble-region.ts";
import { firstSharedServer, type RegionContext } from "../../src/control/region-context.ts";
import { parseConfig } from "../../src/core/config/parse.ts";
import type { Migration } from "../../src/core/migration/plan.ts";
import { createSystemClock, createSystemRandom } from "../../src/node/clock.ts";
import type { RegionPlatform } from "../../src/ports/platform.ts";

/** What a test says of its region. */
export interface TestContextParts
  extends Pick<RegionParts, "pool" | "directoryPool">,
    Partial<Pick<RegionParts, "name" | "config" | "peer" | "seed" | "tenantUrl">> {
  /** The ports that the test uses; clock and random are the system's when it names none. */
  readonly platform: Partial<RegionPlatform> & Pick<RegionPlatform, "databases" | "keys">;
  /** The application's newest. */
  readonly migrations: () => readonly Migration[];
}

/** A region's use cases above the ports that a test gives, with its first shared server prepared. */
export async function openRegionContext(parts: TestContextParts): Promise<RegionContext> {
  const context = assembleTestRegion(parts);
  await context.tenantData.prepareSharedServer(firstSharedServer);
  return context;
}

/** The same, on databases that may still be empty. */
export function assembleTestRegion(parts: TestContextParts): RegionContext {
  const { pool, directoryPool, migrations } = parts;
  return assembleRegion({
    ...{ pool, directoryPool },
    name: parts.name ?? "eu-west-1",
    config: parts.config ?? smallConfig,
    // Whatever else a test reaches for is missed at once.
    platform: {
      ...{ clock: createSystemClock(), random: createSystemRandom() },
      ...parts.platform,
    } as RegionPlatform,
    release: () => ({
      ...{ version: "v1", sha256: "", migrationsFingerprint: "m1" },
      migrations: migrations(),
    }),
    peer: parts.peer ?? nobody,
    seed: parts.seed ?? (async () => {}),
    tenantUrl: parts.tenantUrl ?? ((slug) => `http://${slug}.localhost/`),
  });
}

const smallConfig = parseConfig({
  app: "./app.ts",
  domain: "shop.example",
  regions: { "eu-west-1": { jurisdiction: "EU", zones: ["a", "b"] } },
  plans: { starter: { isolation: "schema" }, business: { isolation: "database" } },
});

function nobody(region: string): never {
  throw new Error(`Nobody is to be asked in ${region}.`);
}
