import { describe, expect, it } from "vitest";
import { Breaker } from "./breaker.ts";

describe("Breaker", () => {
  it("refuses after a failure, lets one probe pass after the pause, and closes when it succeeds", () => {
    const breaker = new Breaker();
    expect(breaker.state(0)).toBe("closed");
    breaker.failed(0);
    expect(breaker.state(49)).toBe("open");
    expect(breaker.state(50)).toBe("probe");
    breaker.begin();
    expect(breaker.state(50)).toBe("open");
    breaker.succeeded();
    expect(breaker.state(50)).toBe("closed");
  });

  it("waits twice as long after each failed probe, and never longer than half a second", () => {
    const breaker = new Breaker();
    let now = 0;
    const pauses: number[] = [];
    for (let i = 0; i < 6; i++) {
      breaker.failed(now);
      const from = now;
      while (breaker.state(now) === "open") now += 50;
      pauses.push(now - from);
      breaker.begin();
    }
    expect(pauses).toEqual([50, 100, 200, 400, 500, 500]);
  });
});
