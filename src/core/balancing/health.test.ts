import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { afterOutcome, type Health, type HealthOutcome, initialHealth } from "./health.ts";

function run(outcomes: readonly HealthOutcome[], from: Health = initialHealth): Health {
  return outcomes.reduce((health, outcome) => afterOutcome(health, outcome, "because"), from);
}

describe("health", () => {
  it.each<[string, HealthOutcome[], Health["state"]]>([
    ["one success makes a new target healthy", ["ok"], "healthy"],
    ["a new target waits through its start", ["refused", "refused", "failed"], "initial"],
    ["one slow answer changes nothing", ["ok", "failed", "ok", "failed"], "healthy"],
    ["two in a row do", ["ok", "failed", "failed"], "failing"],
    ["a refused connection is certain", ["ok", "refused"], "gone"],
    ["recovery shows twice", ["ok", "refused", "ok"], "gone"],
    ["and then counts", ["ok", "refused", "ok", "ok"], "healthy"],
    ["a failure between starts the count again", ["ok", "failed", "failed", "ok", "failed", "ok"], "failing"],
  ])("%s", (_, outcomes, state) => {
    expect(run(outcomes).state).toBe(state);
  });

  it("gives a reason exactly when it is not healthy and something was found wrong", () => {
    expect(run(["ok", "refused"]).reason).toBe("because");
    expect(run(["ok", "refused", "ok", "ok"]).reason).toBeUndefined();
  });

  it("is healthy after any history once two successes came in a row", () => {
    fc.assert(
      fc.property(fc.array(fc.constantFrom<HealthOutcome>("ok", "failed", "refused")), (history) => {
        expect(run([...history, "ok", "ok"]).state).toBe("healthy");
        expect(run([...history, "ok", "ok", "refused"]).state).toBe("gone");
      }),
    );
  });
});
