import { describe, expect, it } from "vitest";
import { Breaker } from "./breaker.ts";

describe("Breaker", () => {
  it("refuses after a failure, lets one probe pass after the pause, and closes when it succeeds", () => {
    const breaker = new Breaker();
    expect(breaker.state(0)).toBe("closed");
    breaker.failed(0);
    expect(breaker.state(199)).toBe("open");
    expect(breaker.state(200)).toBe("probe");
    breaker.begin();
    expect(breaker.state(200)).toBe("open");
    breaker.succeeded();
    expect(breaker.state(200)).toBe("closed");
  });

  it("waits twice as long after each failed probe, and never longer than 2 s", () => {
    const breaker = new Breaker();
    let now = 0;
    const pauses: number[] = [];
    for (let i = 0; i < 6; i++) {
      breaker.failed(now);
      const from = now;
      while (breaker.state(now) === "open") now += 100;
      pauses.push(now - from);
      breaker.begin();
    }
    expect(pauses).toEqual([200, 400, 800, 1600, 2000, 2000]);
  });
});
