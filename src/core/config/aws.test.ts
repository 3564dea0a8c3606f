import { describe, expect, test } from "vitest";
import { prefixOf } from "./aws.ts";
import { parseConfig } from "./parse.ts";

const base = {
  app: "./app.ts",
  domain: "bookshop.example",
  target: "aws",
  regions: {
    "eu-west-1": { jurisdiction: "EU", zones: ["a", "b"] },
    "us-east-1": { jurisdiction: "US", zones: ["a", "b", "c"] },
  },
  plans: { starter: { isolation: "schema" } },
};

function withAws(aws: object) {
  return { ...base, aws };
}

describe("the config's block aws", () => {
  test("is filled in from the rest of the config", () => {
    const { aws } = parseConfig(base);
    expect(aws).toMatchObject({
      prefix: "bookshop",
      controlRegion: "eu-west-1",
      hostedZone: "create",
      instanceTypes: { app: "m7g.large" },
      databaseClasses: { shared: "db.m7g.large" },
      cache: { shards: 2, replicas: 1 },
      natGateways: "per-zone",
      alarmEmails: [],
      logRetentionDays: 90,
    });
  });

  test("keeps what is written, and defaults beside it", () => {
    const { aws } = parseConfig(
      withAws({ prefix: "books-2", controlRegion: "us-east-1", instanceTypes: { app: "c7gn.xlarge" } }),
    );
    expect(aws).toMatchObject({
      prefix: "books-2",
      controlRegion: "us-east-1",
      instanceTypes: { app: "c7gn.xlarge", worker: "m7g.large" },
    });
  });

  test("a parsed config parses to itself", () => {
    const config = parseConfig(withAws({ hostedZone: "Z0123456789ABC" }));
    expect(parseConfig(JSON.parse(JSON.stringify(config)))).toEqual(config);
  });

  test.each([
    ["an unknown key", { natGateway: "one" }, /aws\.natGateway: unknown key, did you mean "natGateways"\?/],
    [
      "an unknown key below",
      { cache: { shard: 1 } },
      /aws\.cache\.shard: unknown key, did you mean "shards"\?/,
    ],
    ["a prefix that is too long", { prefix: "a".repeat(21) }, /aws\.prefix: /],
    ["a prefix with two hyphens", { prefix: "a--b" }, /aws\.prefix: .*single hyphens/],
    [
      "a processor that the image is not for",
      { instanceTypes: { app: "m7i.large" } },
      /aws\.instanceTypes\.app: .*Graviton/,
    ],
    [
      "a database class without db.",
      { databaseClasses: { shared: "m7g.large" } },
      /aws\.databaseClasses\.shared: /,
    ],
    ["a hosted zone's name", { hostedZone: "bookshop.example" }, /aws\.hostedZone: "create", or the id/],
    ["a retention that there is not", { logRetentionDays: 10 }, /aws\.logRetentionDays: one of 1, 3/],
    [
      "another control region",
      { controlRegion: "eu-north-1" },
      /aws\.controlRegion: no region "eu-north-1", allowed are eu-west-1, us-east-1/,
    ],
  ])("refuses %s", (_, aws, message) => {
    expect(() => parseConfig(withAws(aws))).toThrow(message);
  });

  test.each([
    [
      "a region that is none",
      { here: { jurisdiction: "EU", zones: ["a", "b"] } },
      /regions\.here: no AWS region/,
    ],
    [
      "zones that are no letters",
      { "eu-west-1": { jurisdiction: "EU", zones: ["a", "z1"] } },
      /"z1" is not the letter/,
    ],
  ])("refuses %s, and only with target aws", (_, regions, message) => {
    expect(() => parseConfig({ ...base, regions })).toThrow(message);
    expect(parseConfig({ ...base, regions, target: "embedded" }).regions).toHaveProperty(
      Object.keys(regions)[0]!,
    );
  });

  test.each([
    ["bookshop.example", "bookshop"],
    ["1password.example", "r1password"],
    ["xn--bcher-kva.example", "xn-bcher-kva"],
    ["a-very-long-label-of-a-domain.example", "a-very-long-label-of"],
    ["a-very-long-labels-x.example", "a-very-long-labels-x"],
    ["a-very-long-labelsx-yz.example", "a-very-long-labelsx"],
  ])("the prefix of %s is %s", (domain, prefix) => {
    expect(prefixOf(domain)).toBe(prefix);
    expect(parseConfig({ ...base, domain }).aws.prefix).toBe(prefix);
  });
});
