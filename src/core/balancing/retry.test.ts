import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { isTooSlow } from "./pace.ts";
import { mayRepeat } from "./retry.ts";

describe("mayRepeat", () => {
  it("repeats whatever was certainly not sent", () => {
    fc.assert(
      fc.property(fc.string(), fc.boolean(), fc.nat(9), (method, bodyRepeatable, sentAttempts) => {
        expect(mayRepeat({ method, sent: false, bodyRepeatable, sentAttempts })).toBe(true);
      }),
    );
  });

  it("never repeats what may have been carried out and is not idempotent", () => {
    for (const method of ["POST", "PATCH", "PROPPATCH", "get", ""]) {
      expect(mayRepeat({ method, sent: true, bodyRepeatable: true, sentAttempts: 1 })).toBe(false);
    }
  });

  it("repeats an idempotent request a few times, if its body is still at hand", () => {
    const put = { method: "PUT", sent: true, bodyRepeatable: true, sentAttempts: 1 };
    expect(mayRepeat(put)).toBe(true);
    expect(mayRepeat({ ...put, bodyRepeatable: false })).toBe(false);
    expect(mayRepeat({ ...put, sentAttempts: 3 })).toBe(false);
  });
});

describe("isTooSlow", () => {
  it("bounds both silence and a trickle, and lets a slow honest upload pass", () => {
    expect(isTooSlow({ idleMilliseconds: 10_001, waitedMilliseconds: 10_001, receivedBytes: 1e9 })).toBe(
      true,
    );
    expect(isTooSlow({ idleMilliseconds: 1000, waitedMilliseconds: 11_000, receivedBytes: 11 })).toBe(true);
    expect(isTooSlow({ idleMilliseconds: 1000, waitedMilliseconds: 3_600_000, receivedBytes: 4e6 })).toBe(
      false,
    );
  });
});
