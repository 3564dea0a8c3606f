import { randomUUID } from "node:crypto";
import type { IdempotencyKeys } from "../control/idempotency-keys.ts";
import type { RegionControl } from "../control/region-control.ts";
import type { Config } from "../core/config/schema.ts";
import { admitSignup } from "./admit-signup.ts";
import type { PagesDependencies } from "./pages.ts";

/** Sign-ups of the page: the same use cases as the API's, without an operator. */
export function createPageSignups(parts: {
  /** Read at each use: a region may join it while the page serves. */
  readonly config: Config;
  /** The regions that run; the map may change while the page serves. */
  readonly regions: ReadonlyMap<string, RegionControl>;
  /** Those that have failed over. */
  readonly fenced?: ReadonlySet<string>;
  readonly idempotencyKeys: IdempotencyKeys;
  readonly tenantUrl: (slug: string) => string;
}): PagesDependencies["signups"] {
  const { regions, idempotencyKeys, fenced } = parts;
  const regionOfSignup = (id: string) => regions.get(id.slice(0, id.indexOf(".")));
  return {
    options: () => ({
      domain: parts.config.domain,
      regions: Object.entries(parts.config.regions).flatMap(([name, { jurisdiction }]) =>
        regions.has(name) ? [{ name, jurisdiction }] : [],
      ),
      plans: Object.entries(parts.config.plans).map(([name, { isolation }]) => ({ name, isolation })),
      tenantUrlPattern: parts.tenantUrl("{slug}"),
    }),
    start: async (input, idempotencyKey = randomUUID()) => {
      const region = admitSignup(input, {
        config: parts.config,
        regions,
        ...(fenced ? { fenced } : {}),
      });
      await idempotencyKeys.claim(idempotencyKey, input.region);
      return region.startSignup({ input, idempotencyKey });
    },
    status: async (id) => regionOfSignup(id)?.signup({ id }),
    wait: async (id, seen, timeoutSeconds) => regionOfSignup(id)?.waitForSignup({ id, seen, timeoutSeconds }),
  };
}
