import { describe, expect, test } from "vitest";
import { assignNetworks, controlCidr, subnetCidr, type Tier } from "./address-plan.ts";

/** First and last address of a block, as numbers. */
function range(cidr: string): { first: number; last: number } {
  const [address, mask] = cidr.split("/");
  const first = address!.split(".").reduce((sum, part) => sum * 256 + Number(part), 0);
  return { first, last: first + 2 ** (32 - Number(mask)) - 1 };
}

const tiers: readonly Tier[] = ["public", "private", "control", "data"];
const zones = [..."abcdefgh"];

describe("the address plan", () => {
  test("no two subnets overlap, in nine networks with all zones", () => {
    const blocks = Array.from({ length: 9 }, (_, network) =>
      tiers.flatMap((tier) => zones.map((zone) => range(subnetCidr(network, tier, zone)))),
    ).flat();
    const sorted = blocks.toSorted((a, b) => a.first - b.first);
    expect(sorted).toHaveLength(9 * 4 * 8);
    for (const [index, block] of sorted.entries()) {
      expect(block.first % (block.last - block.first + 1)).toBe(0);
      expect(block.first).toBeGreaterThan(sorted[index - 1]?.last ?? 0);
    }
  });

  test("the control block is the control subnets, and no others", () => {
    for (const network of [0, 8]) {
      const control = range(controlCidr(network));
      for (const tier of tiers) {
        for (const zone of zones) {
          const { first, last } = range(subnetCidr(network, tier, zone));
          const isInside = first >= control.first && last <= control.last;
          expect(isInside).toBe(tier === "control");
        }
      }
    }
  });

  test("a zone's subnets do not depend on the others", () => {
    expect(subnetCidr(1, "private", "c")).toBe("10.17.32.0/20");
    expect(subnetCidr(1, "data", "a")).toBe("10.17.128.0/22");
  });
});

describe("the regions' networks", () => {
  test("are in the config's order at first", () => {
    expect(assignNetworks(["a", "b", "c"])).toEqual({ a: 1, b: 2, c: 3 });
  });

  test("stay what they are when regions come and go", () => {
    expect(assignNetworks(["new", "b", "c"], { a: 1, b: 2, c: 3 })).toEqual({ new: 4, b: 2, c: 3 });
    expect(assignNetworks(["new", "b", "newer"], { b: 2 })).toEqual({ new: 1, b: 2, newer: 3 });
  });
});
