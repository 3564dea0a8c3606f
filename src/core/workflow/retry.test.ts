import { expect, test } from "vitest";
import { fault } from "../error.ts";
import { defaultRetryPolicy, retryDelaySeconds } from "./retry.ts";

const passing = fault("E_DATABASE_UNAVAILABLE");

test("pauses grow by the rate, and end with the attempts", () => {
  const delays = [1, 2, 3, 4, 5].map((attempt) => retryDelaySeconds(defaultRetryPolicy, attempt, passing));
  expect(delays).toEqual([0.2, 0.4, 0.8, 1.6, undefined]);
  expect(
    retryDelaySeconds({ maxAttempts: 1, initialIntervalSeconds: 1, backoffRate: 2 }, 1, passing),
  ).toBeUndefined();
});

test("what the user got wrong is not tried again, and anything else is", () => {
  expect(retryDelaySeconds(defaultRetryPolicy, 1, fault("E_TENANT_SLUG_TAKEN"))).toBeUndefined();
  expect(retryDelaySeconds(defaultRetryPolicy, 1, new TypeError("x is not a function"))).toBe(0.2);
  expect(retryDelaySeconds(defaultRetryPolicy, 1, "thrown text")).toBe(0.2);
});

test("a migration that Postgres refused is not tried again", () => {
  expect(retryDelaySeconds(defaultRetryPolicy, 1, fault("E_MIGRATION_FAILED"))).toBeUndefined();
});
