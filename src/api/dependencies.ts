import type { OpenAPIHono } from "@hono/zod-openapi";
import type { DatabaseControl } from "../control/database/control.ts";
import type { Directory } from "../control/directory.ts";
import type { IdempotencyKeys } from "../control/idempotency-keys.ts";
import type { Operator } from "../control/operators.ts";
import type { Recoveries } from "../control/recovery/recoveries.ts";
import type { RegionControl } from "../control/region-control.ts";
import type { Regions } from "../control/regions/regions.ts";
import type { ResidencyReport } from "../control/residency/report.ts";
import type { StatusDocument } from "../control/status.ts";
import type { Config } from "../core/config/schema.ts";
import type { Clock } from "../ports/clock.ts";

/** What the HTTP API works with. */
export interface ApiDependencies {
  /** Version of Rowhouse, for the OpenAPI document. */
  readonly version: string;
  /** Read at each use: a region may join it while the API serves. */
  readonly config: Config;
  readonly directory: Directory;
  readonly idempotencyKeys: IdempotencyKeys;
  /** The regions that run; the map may change while the API serves. */
  readonly regions: ReadonlyMap<string, RegionControl>;
  /** Those that have failed over, and may not be used. */
  readonly fenced?: ReadonlySet<string>;
  /** The control plane's own database servers; absent where something else looks after them. */
  readonly directoryDatabases?: DatabaseControl;
  readonly regionStacks: Pick<Regions, "list" | "show" | "create" | "delete" | "operation">;
  /** Absent where regions are recovered by hand. */
  readonly recoveries?: Pick<
    Recoveries,
    "failOver" | "failOverOutcome" | "failBack" | "failBackOutcome" | "operation"
  >;
  readonly operators: { verify(token: string): Promise<Operator | undefined> };
  /** Looks whether a tenant's data is where it must not be, of throwaway tenants or of the named one. */
  readonly checkResidency: (options: { readonly tenant?: string }) => Promise<ResidencyReport>;
  readonly clock: Clock;
  readonly status: () => Promise<StatusDocument>;
  readonly urls: { tenant(slug: string): string };
  /** Told of every fault that is Rowhouse's own, for the log. */
  readonly onFault?: (error: unknown) => void;
}

export interface ApiEnvironment {
  Variables: { operator: Operator };
}

export type Api = OpenAPIHono<ApiEnvironment>;
