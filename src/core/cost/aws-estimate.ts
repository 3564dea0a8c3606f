import type { Config } from "../config/schema.ts";

/** One line of what a region's standing parts cost, whatever is asked of them. */
export interface CostLine {
  readonly item: string;
  readonly count: number;
  /** Dollars a month for all of them; `null` where the type's price is not in the table. */
  readonly monthlyDollars: number | null;
}

/** Where the prices come from. They differ between regions, by some tens of per cent at most. */
export const priceSource =
  "AWS price lists, us-east-1, on demand, without tax, as known in 2025; https://calculator.aws has today's of each region";

const hoursPerMonth = 730;

/** Dollars an hour. A database's is of one node; Multi-AZ has two. */
const hourly: Readonly<Record<string, number>> = {
  "t4g.small": 0.0168,
  "t4g.medium": 0.0336,
  "t4g.large": 0.0672,
  "m7g.medium": 0.0408,
  "m7g.large": 0.0816,
  "m7g.xlarge": 0.1632,
  "db.t4g.medium": 0.065,
  "db.t4g.large": 0.129,
  "db.m7g.large": 0.168,
  "db.m7g.xlarge": 0.337,
  "cache.t4g.small": 0.0256,
  "cache.t4g.medium": 0.052,
  "cache.m7g.large": 0.1264,
  "NAT gateway": 0.045,
  "load balancer": 0.0225,
};

/** What a region costs when nobody uses it, by its standing parts. Traffic, storage and requests come on top. */
export function estimateRegion(config: Config, region: string): readonly CostLine[] {
  const { instanceTypes, databaseClasses, cache } = config.aws;
  return [
    line("app servers", instanceTypes.app, config.fleets.app.min),
    line("worker servers", instanceTypes.worker, config.fleets.worker.min),
    line("controller", instanceTypes.controller, 1),
    line("database, primary and standby", databaseClasses.shared, 2),
    line("cache nodes", cache.nodeType, cache.shards * (1 + cache.replicas)),
    line("NAT", "NAT gateway", countNatGateways(config, region)),
    line("balancer", "load balancer", 1),
  ];
}

/** The same of the control plane. */
export function estimateControlPlane(config: Config): readonly CostLine[] {
  const { controlRegion, instanceTypes, databaseClasses } = config.aws;
  return [
    line("control plane", instanceTypes.controlPlane, 1),
    line("directory, primary and standby", databaseClasses.directory, 2),
    line("NAT", "NAT gateway", countNatGateways(config, controlRegion)),
    line("balancer", "load balancer", 1),
  ];
}

/** Of one network; the control plane's has the zones of its region. */
function countNatGateways({ aws, regions }: Config, region: string): number {
  return aws.natGateways === "one" ? 1 : (regions[region]?.zones.length ?? 0);
}

function line(name: string, type: string, count: number): CostLine {
  const price = hourly[type];
  const item = type === "NAT gateway" || type === "load balancer" ? type : `${name} (${type})`;
  return {
    item,
    count,
    monthlyDollars: price === undefined ? null : Math.round(price * hoursPerMonth * count),
  };
}
