/** What a person should know before a server of a tenant's own is made. */
export interface DedicatedServerNote {
  /** RDS instances that an account has in a region unless it asks for more. */
  readonly quota: number;
  readonly instanceClass: string;
  /** Dollars a month for instance and storage at on-demand prices; `undefined` for a class that is not in the table. */
  readonly monthlyUsd: number | undefined;
  /** Region that the prices are of; others differ. */
  readonly priceRegion: string;
  /** Month that the prices were written down in, as in `2026-11`. */
  readonly priceMonth: string;
  /** Where they were taken from. */
  readonly priceSource: string;
  /** Where AWS says today's. */
  readonly pricePage: string;
}

/** https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/CHAP_Limits.html: "DB instances: 40". */
const instancesPerRegion = 40;

/**
 * Dollars an hour of one node, RDS for PostgreSQL, on demand, us-east-1, to show the order of magnitude: from lists that
 * others keep of AWS's prices, and not held against AWS's own. t4g up to medium:
 * https://infratally.com/articles/aws-rds-pricing-explained-2026.html; the rest: tables in public repositories that
 * agree with it there, but differ among themselves by up to a tenth for m7g. Ireland took a tenth more in 2019 ($0.197
 * against $0.178, db.m5.large: https://github.com/vantage-sh/ec2instances.info/issues/479).
 */
const hourlyUsd: Readonly<Record<string, number>> = {
  "db.t4g.micro": 0.016,
  "db.t4g.small": 0.032,
  "db.t4g.medium": 0.065,
  "db.t4g.large": 0.129,
  "db.t4g.xlarge": 0.258,
  "db.m7g.large": 0.168,
  "db.m7g.xlarge": 0.337,
  "db.m7g.2xlarge": 0.674,
};

const gp3UsdPerGibibyteMonth = 0.115;
const initialGibibytes = 20;
const hoursPerMonth = 730;
/** Multi-AZ bills instance and storage twice. */
const nodes = 2;

/** Quota and approximate price of one server of a tenant's own, of this instance class. */
export function dedicatedServerNote(instanceClass: string): DedicatedServerNote {
  const hourly = hourlyUsd[instanceClass];
  const storage = gp3UsdPerGibibyteMonth * initialGibibytes;
  return {
    quota: instancesPerRegion,
    instanceClass,
    monthlyUsd: hourly === undefined ? undefined : Math.round(nodes * (hourly * hoursPerMonth + storage)),
    priceRegion: "us-east-1",
    priceMonth: "2026-11",
    priceSource: "third-party lists of AWS's prices",
    pricePage: "https://aws.amazon.com/rds/postgresql/pricing/",
  };
}
