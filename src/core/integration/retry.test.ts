import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { defaultWebhookRetryPolicy as policy, webhookPause } from "./retry.ts";

const now = new Date("2026-01-02T03:04:05Z");
const pause = (
  answer: { status: number | undefined; retryAfter?: string },
  progress: { attempts?: number; elapsedMilliseconds?: number; chance?: number } = {},
) => webhookPause(policy, answer, { attempts: 1, elapsedMilliseconds: 0, chance: 1, now, ...progress });

test.each([[undefined], [500], [502], [503], [599], [408], [425], [429]])(
  "an answer of %s may pass",
  (status) => {
    expect(pause({ status })).toBe(500);
  },
);

test.each([[400], [401], [403], [404], [409], [410], [422], [301], [302], [307], [308], [304]])(
  "an answer of %s will not pass",
  (status) => {
    expect(pause({ status })).toBeUndefined();
  },
);

test("pauses double, and half of each is random", () => {
  expect([1, 2, 3, 4].map((attempts) => pause({ status: 500 }, { attempts }))).toEqual([
    500, 1000, 2000, 4000,
  ]);
  expect(pause({ status: 500 }, { chance: 0 })).toBe(250);
  expect(pause({ status: 500 }, { attempts: 5 })).toBeUndefined();
});

describe("Retry-After", () => {
  test("makes the pause longer and never shorter", () => {
    expect(pause({ status: 503, retryAfter: "7" })).toBe(7000);
    expect(pause({ status: 503, retryAfter: "0" })).toBe(500);
    expect(pause({ status: 429, retryAfter: "Fri, 02 Jan 2026 03:04:09 GMT" })).toBe(4000);
    expect(pause({ status: 429, retryAfter: "Fri, 02 Jan 2025 03:04:09 GMT" })).toBe(500);
    expect(pause({ status: 429, retryAfter: "soon" })).toBe(500);
  });

  test("that is longer than the whole time ends the attempts", () => {
    expect(pause({ status: 503, retryAfter: "3600" })).toBeUndefined();
    expect(pause({ status: 503, retryAfter: "999999999999" })).toBe(500);
  });
});

test("whatever is answered, the attempts and the time are bounded", () => {
  fc.assert(
    fc.property(
      fc.array(
        fc.record({
          status: fc.option(fc.integer({ min: 100, max: 599 }), { nil: undefined }),
          retryAfter: fc.string(),
        }),
      ),
      fc.double({ min: 0, max: 1, noNaN: true }),
      (answers, chance) => {
        let elapsedMilliseconds = 0;
        let attempts = 0;
        for (const answer of answers) {
          const next = webhookPause(policy, answer, {
            attempts: ++attempts,
            elapsedMilliseconds,
            now,
            chance,
          });
          if (next === undefined) break;
          elapsedMilliseconds += next;
        }
        expect(attempts).toBeLessThanOrEqual(policy.maxAttempts);
        expect(elapsedMilliseconds).toBeLessThanOrEqual(policy.totalMilliseconds);
      },
    ),
  );
});
