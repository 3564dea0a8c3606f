import { describe, expect, it } from "vitest";
import { parseConfig } from "./parse.ts";

const config = (region: object) =>
  parseConfig({
    app: "./app.ts",
    domain: "bookshop.example",
    regions: {
      "eu-west-1": { jurisdiction: "EU", zones: ["a", "b"], ...region },
      "eu-central-1": { jurisdiction: "EU", zones: ["a", "b"], start: false },
    },
    plans: { starter: { isolation: "schema" } },
  }).regions["eu-west-1"];

describe("what a config says of recovery", () => {
  it("is a region of the same jurisdiction, with standbys there unless told", () => {
    expect(config({ recovery: "eu-central-1" })).toMatchObject({
      recovery: "eu-central-1",
      recoveryStandby: true,
    });
    expect(config({ recovery: "eu-central-1", recoveryStandby: false })?.recoveryStandby).toBe(false);
  });

  it.each([
    [{ recoveryStandby: "no" }, "regions.eu-west-1.recoveryStandby: "],
    [{ recoveryStandbys: true }, 'did you mean "recoveryStandby"?'],
    [{ recovery: "eu-west-1" }, "can't be its own recovery region"],
    [{ recovery: "eu-north-1" }, 'no region "eu-north-1"'],
  ])("refuses %j", (region, reason) => {
    expect(() => config(region)).toThrow(reason);
  });
});
