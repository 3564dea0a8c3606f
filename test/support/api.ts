import { createApi } from "../../src/api/app.ts";
import type { Api } from "../../src/api/dependencies.ts";
import { Directory } from "../../src/control/directory.ts";
import { IdempotencyKeys } from "../../src/control/idempotency-keys.ts";
import { Operators } from "../../src/control/operators.ts";
import { RegisteredRegions } from "../../src/control/regions/registered.ts";
import { checkResidency } from "../../src/control/residency/check.ts";
import { parseConfig } from "../../src/core/config/parse.ts";
import { createSystemClock, createSystemRandom } from "../../src/node/clock.ts";
import { createDirectoryDatabase } from "./directory-database.ts";
import { MemoryRegion } from "./memory-region.ts";

export const operatorToken = "test-operator-token";

export interface TestApi {
  readonly api: Api;
  readonly directory: Directory;
  /** `eu-west-1` and `us-east-1`; the config's `eu-central-1` is not started. */
  readonly regions: ReadonlyMap<"eu-west-1" | "us-east-1", MemoryRegion>;
  dispose(): Promise<void>;
}

const config = parseConfig({
  app: "./app.ts",
  domain: "bookshop.example",
  regions: {
    "eu-west-1": { jurisdiction: "EU", zones: ["a", "b"], recovery: "eu-central-1" },
    "eu-central-1": { jurisdiction: "EU", zones: ["a", "b"], start: false },
    "us-east-1": { jurisdiction: "US", zones: ["a", "b"] },
  },
  plans: { starter: { isolation: "schema" }, business: { isolation: "database" } },
});

/** The API on a real directory, over regions in memory. */
export async function createTestApi(): Promise<TestApi> {
  const database = await createDirectoryDatabase();
  const directory = new Directory(database.pool);
  const operators = new Operators({ directory: database.pool, clock: createSystemClock() });
  await operators.put("first", operatorToken);
  const isolationOf = (plan: string) => config.plans[plan]?.isolation ?? "schema";
  const regions = new Map(
    (["eu-west-1", "us-east-1"] as const).map((name) => [
      name,
      new MemoryRegion({ name, directory, isolationOf }),
    ]),
  );
  const api = createApi({
    version: "0.0.0-test",
    config,
    directory,
    idempotencyKeys: new IdempotencyKeys(database.pool),
    regions,
    regionStacks: new RegisteredRegions({ directory, config, made: regions }),
    operators,
    checkResidency: (query) =>
      checkResidency(
        {
          config,
          directory,
          regions,
          random: createSystemRandom(),
          searchControlPlane: async () => ({ searched: [], unreadable: [], sightings: [] }),
        },
        query,
      ),
    clock: createSystemClock(),
    status: async () => ({
      version: "0.0.0-test",
      pid: process.pid,
      url: "http://localhost:8080",
      apiUrl: "http://127.0.0.1:8081",
      regions: await Promise.all([...regions.values()].map((region) => region.status())),
    }),
    urls: { tenant: (slug) => `http://${slug}.localhost:8080/` },
  });
  return { api, directory, regions, dispose: () => database.drop() };
}
