import { describe, expect, it } from "vitest";
import { fault } from "./error.ts";
import { faultEntry } from "./fault-entry.ts";

describe("a fault in a program's log", () => {
  it("has a trace when nobody foresaw it", () => {
    const thrown = new TypeError("x is undefined");
    expect(faultEntry(thrown, "fleet")).toEqual({
      level: "error",
      message: expect.stringMatching(/^fleet: x is undefined\./),
      stack: thrown.stack,
    });
  });

  it("has none where its code says it all", () => {
    expect(faultEntry(fault("E_DATABASE_UNAVAILABLE"))).toEqual({
      level: "error",
      message: expect.stringContaining("No node of the database server takes writes."),
    });
  });
});
