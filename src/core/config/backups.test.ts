import { describe, expect, it } from "vitest";
import { parseConfig } from "./parse.ts";

const config = (backups?: unknown) =>
  parseConfig({
    app: "./app.ts",
    domain: "bookshop.example",
    regions: { "eu-west-1": { jurisdiction: "EU", zones: ["a", "b"] } },
    plans: { starter: { isolation: "schema" } },
    ...(backups === undefined ? {} : { backups }),
  });

describe("what a config says of backups", () => {
  it("is one an hour, kept for 24 hours and 14 days, unless told", () => {
    expect(config().backups).toEqual({
      every: "1h",
      keep: { hourly: 24, daily: 14 },
      verifyEvery: "6h",
    });
    expect(config({ every: "15m", keep: { daily: 30 } }).backups).toMatchObject({
      every: "15m",
      keep: { hourly: 24, daily: 30 },
    });
  });

  it.each([
    [{ every: "10s" }, "backups.every: from 1m to 1d"],
    [{ every: "2d" }, "backups.every: from 1m to 1d"],
    [{ every: "hourly" }, 'backups.every: a duration is a number and a unit, as in "5m".'],
    [{ keep: { hourly: 0 } }, "backups.keep.hourly"],
    [{ keep: { dayly: 3 } }, 'backups.keep.dayly: unknown key, did you mean "daily"?'],
    [{ verifyEvry: "1h" }, 'backups.verifyEvry: unknown key, did you mean "verifyEvery"?'],
  ])("is refused where it is %j", (backups, reason) => {
    expect(() => config(backups)).toThrow(reason);
  });
});
