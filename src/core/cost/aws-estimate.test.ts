import { describe, expect, it } from "vitest";
import { parseConfig } from "../config/parse.ts";
import { estimateControlPlane, estimateRegion } from "./aws-estimate.ts";

const config = parseConfig({
  app: "./app.ts",
  domain: "shop.example",
  target: "aws",
  regions: { "eu-west-1": { jurisdiction: "EU", zones: ["a", "b", "c"] } },
  plans: { starter: { isolation: "schema" } },
  aws: { instanceTypes: { worker: "x8g.48xlarge" } },
});

describe("the estimate", () => {
  it("counts what stands there whatever is asked of it", () => {
    const lines = Object.fromEntries(
      estimateRegion(config, "eu-west-1").map(({ item, ...rest }) => [item, rest]),
    );
    expect(lines["app servers (m7g.large)"]).toEqual({ count: 2, monthlyDollars: 119 });
    expect(lines["NAT gateway"]).toEqual({ count: 3, monthlyDollars: 99 });
    expect(lines["cache nodes (cache.t4g.medium)"]).toMatchObject({ count: 4 });
    expect(estimateControlPlane(config).every(({ monthlyDollars }) => monthlyDollars !== null)).toBe(true);
  });

  it("counts a NAT gateway for each zone of each network, the control plane's too, or one alone", () => {
    const count = (settings: typeof config) =>
      [...estimateControlPlane(settings), ...estimateRegion(settings, "eu-west-1")]
        .filter(({ item }) => item === "NAT gateway")
        .map((line) => line.count);
    expect(count(config)).toEqual([3, 3]);
    expect(count({ ...config, aws: { ...config.aws, natGateways: "one" } })).toEqual([1, 1]);
  });

  it("gives no price to what it does not know", () => {
    expect(estimateRegion(config, "eu-west-1")).toContainEqual({
      item: "worker servers (x8g.48xlarge)",
      count: 1,
      monthlyDollars: null,
    });
  });
});
