import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type TokenBucket, takeToken } from "./token-bucket.ts";

describe("takeToken", () => {
  it("lets one second's worth pass at once, then tells when to come again", () => {
    let bucket: TokenBucket | undefined;
    for (let i = 0; i < 5; i++) {
      const decision = takeToken(bucket, { perSecond: 5, nowMilliseconds: 0 });
      expect(decision.allowed).toBe(true);
      bucket = decision.bucket;
    }
    expect(takeToken(bucket, { perSecond: 5, nowMilliseconds: 0 })).toMatchObject({
      allowed: false,
      retryAfterSeconds: 1,
    });
    expect(takeToken(bucket, { perSecond: 5, nowMilliseconds: 200 }).allowed).toBe(true);
  });

  it("lets one request pass where the rate is below one a second", () => {
    const first = takeToken(undefined, { perSecond: 0.1, nowMilliseconds: 0 });
    expect(first.allowed).toBe(true);
    expect(takeToken(first.bucket, { perSecond: 0.1, nowMilliseconds: 0 })).toMatchObject({
      retryAfterSeconds: 10,
    });
  });

  it("never lets more pass than the rate and one second's burst, whatever the arrivals", () => {
    const gaps = fc.array(fc.integer({ min: 0, max: 500 }), { maxLength: 300 });
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 50 }), gaps, (perSecond, arrivals) => {
        let bucket: TokenBucket | undefined;
        let nowMilliseconds = 0;
        let passed = 0;
        for (const gap of arrivals) {
          nowMilliseconds += gap;
          const decision = takeToken(bucket, { perSecond, nowMilliseconds });
          bucket = decision.bucket;
          if (decision.allowed) passed++;
        }
        expect(passed).toBeLessThanOrEqual(perSecond + (nowMilliseconds * perSecond) / 1000 + 1e-6);
      }),
    );
  });
});
