import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type FleetGoal, type ObservedInstance, reconcileFleet } from "./reconcile.ts";

const goal: FleetGoal = { desired: 2, zones: ["a", "b"], release: "new", startGraceSeconds: 30 };

function instance(changes: Partial<ObservedInstance>): ObservedInstance {
  return {
    id: "i",
    zone: "a",
    state: "running",
    health: "healthy",
    release: "new",
    ageSeconds: 60,
    ...changes,
  };
}

describe("reconcileFleet", () => {
  it("fills an empty fleet over its zones", () => {
    expect(reconcileFleet(goal, [])).toEqual([
      { type: "launch", zone: "a" },
      { type: "launch", zone: "b" },
    ]);
  });

  it("replaces a dead one in the zone that lost it", () => {
    const observed = [
      instance({ id: "1", zone: "a" }),
      instance({ id: "2", zone: "b", state: "terminated" }),
    ];
    expect(reconcileFleet(goal, observed)).toEqual([{ type: "launch", zone: "b" }]);
  });

  it("takes a sick one out at once and launches its replacement in the same breath", () => {
    const observed = [
      instance({ id: "1", zone: "a" }),
      instance({ id: "2", zone: "b", health: "unhealthy" }),
    ];
    expect(reconcileFleet(goal, observed)).toEqual([
      { type: "terminate", id: "2", graceful: false },
      { type: "launch", zone: "b" },
    ]);
  });

  it("kills none while all fail their checks, and launches one to see whether it does better", () => {
    const all = ["a", "b"].map((zone) => instance({ id: zone, zone, health: "unhealthy" }));
    expect(reconcileFleet(goal, all)).toEqual([{ type: "launch", zone: "a" }]);
    expect(
      reconcileFleet(goal, [...all, instance({ id: "c", zone: "a", health: "initial", ageSeconds: 1 })]),
    ).toEqual([]);
  });

  it("waits for one that is still starting, and gives it up after its grace", () => {
    const starting = (ageSeconds: number) => [
      instance({ id: "1", zone: "a" }),
      instance({ id: "2", zone: "b", health: "initial", ageSeconds }),
    ];
    expect(reconcileFleet(goal, starting(5))).toEqual([]);
    expect(reconcileFleet(goal, starting(31))).toContainEqual({
      type: "terminate",
      id: "2",
      graceful: false,
    });
  });

  it("replaces an older release one by one, and keeps as many healthy as desired", () => {
    let fleet = [
      instance({ id: "1", zone: "a", release: "old" }),
      instance({ id: "2", zone: "b", release: "old" }),
    ];
    for (let round = 0; round < 20; round++) {
      for (const action of reconcileFleet(goal, fleet)) {
        if (action.type === "terminate") fleet = fleet.filter((one) => one.id !== action.id);
        else
          fleet.push(
            instance({
              id: `new-${round}-${fleet.length}`,
              zone: action.zone,
              health: "initial",
              ageSeconds: 0,
            }),
          );
      }
      expect(fleet.filter((one) => one.health === "healthy").length).toBeGreaterThanOrEqual(goal.desired);
      expect(fleet.length).toBeLessThanOrEqual(goal.desired + 1);
      fleet = fleet.map((one) => ({ ...one, health: "healthy" }));
    }
    expect(fleet.map((one) => one.release)).toEqual(["new", "new"]);
    expect(new Set(fleet.map((one) => one.zone)).size).toBe(2);
  });

  it("settles from any start: after enough rounds there is nothing left to do", () => {
    const arbitrary = fc.record({
      id: fc.uuid(),
      zone: fc.constantFrom("a", "b"),
      state: fc.constantFrom("pending", "running", "terminating", "terminated"),
      health: fc.constantFrom("initial", "healthy", "unhealthy", "unknown"),
      release: fc.constantFrom("old", "new"),
      ageSeconds: fc.nat(100),
    });
    fc.assert(
      fc.property(
        fc.uniqueArray(arbitrary, { selector: (one) => one.id, maxLength: 8 }),
        fc.integer({ min: 1, max: 4 }),
        (start, desired) => {
          let fleet: ObservedInstance[] = start;
          for (let round = 0; round < 50; round++) {
            for (const action of reconcileFleet({ ...goal, desired }, fleet)) {
              if (action.type === "terminate") fleet = fleet.filter((one) => one.id !== action.id);
              else fleet = [...fleet, instance({ id: `${round}-${fleet.length}`, zone: action.zone })];
            }
            fleet = fleet.map((one) =>
              one.health === "initial" || one.health === "unknown" ? { ...one, health: "healthy" } : one,
            );
          }
          const isUp = (one: ObservedInstance) => one.state === "running" || one.state === "pending";
          if (!fleet.some((one) => isUp(one) && one.health === "healthy")) return;
          expect(reconcileFleet({ ...goal, desired }, fleet)).toEqual([]);
          expect(fleet.filter((one) => one.state === "running" || one.state === "pending").length).toBe(
            desired,
          );
        },
      ),
    );
  });
});
