import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type Choosable, chooseTarget, interleaveZones } from "./choose.ts";

const target = fc.record({
  use: fc.constantFrom("first" as const, "resort" as const, "never" as const),
  outstanding: fc.nat(5),
});
const ring = fc.array(target, { maxLength: 12 });

describe("chooseTarget", () => {
  it("never takes one that can't be used, and finds one whenever there is one", () => {
    fc.assert(
      fc.property(ring, fc.nat(20), (targets, start) => {
        const place = chooseTarget(targets, start);
        if (place === -1) expect(targets.every(({ use }) => use === "never")).toBe(true);
        else expect(targets[place]!.use).not.toBe("never");
      }),
    );
  });

  it("takes a healthy one before any other, and the least busy among equals", () => {
    fc.assert(
      fc.property(ring, fc.nat(20), (targets, start) => {
        const chosen = targets[chooseTarget(targets, start)];
        if (!chosen) return;
        const best = targets.some(({ use }) => use === "first") ? "first" : "resort";
        expect(chosen.use).toBe(best);
        const equals = targets.filter(({ use }) => use === best);
        expect(chosen.outstanding).toBe(Math.min(...equals.map(({ outstanding }) => outstanding)));
      }),
    );
  });

  it("takes one that was tried only when no other is as good", () => {
    fc.assert(
      fc.property(ring, fc.nat(20), fc.array(fc.nat(11)), (targets, start, places) => {
        const tried = new Set<Choosable>(places.flatMap((place) => targets[place] ?? []));
        const chosen = targets[chooseTarget(targets, start, tried)];
        if (!chosen || !tried.has(chosen)) return;
        expect(targets.filter(({ use }) => use === chosen.use).every((other) => tried.has(other))).toBe(true);
      }),
    );
  });

  it("goes round among equals, so that none is left out", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 10 }), fc.nat(20), (size, first) => {
        const targets = Array.from({ length: size }, () => ({ use: "first" as const, outstanding: 0 }));
        const seen = new Set<number>();
        for (let turn = 0, start = first; turn < size; turn++) {
          const place = chooseTarget(targets, start);
          seen.add(place);
          start = place + 1;
        }
        expect(seen.size).toBe(size);
      }),
    );
  });
});

describe("interleaveZones", () => {
  it("keeps every target, and neighbours of different zones while two zones have some left", () => {
    fc.assert(
      fc.property(fc.array(fc.constantFrom("a", "b", "c")), (zones) => {
        const targets = zones.map((zone, id) => ({ zone, id }));
        const order = interleaveZones(targets);
        expect([...order].sort((x, y) => x.id - y.id)).toEqual(targets);
        for (let i = 1; i < order.length; i++) {
          if (order[i]!.zone === order[i - 1]!.zone) {
            expect(new Set(order.slice(i).map(({ zone }) => zone)).size).toBe(1);
          }
        }
      }),
    );
  });
});
