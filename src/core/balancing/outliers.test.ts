import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { decideEjections, noLatency, recordLatency, type Suspect, typicalMilliseconds } from "./outliers.ts";

function suspect(id: string, milliseconds: number, changes: Partial<Suspect> = {}): Suspect {
  let latency = noLatency;
  for (let i = 0; i < 40; i++) latency = recordLatency(latency, milliseconds);
  return { id, latency, consecutiveFaults: 0, ejectedUntil: 0, ejections: 0, ...changes };
}

const anySuspect = fc.record({
  milliseconds: fc.integer({ min: 1, max: 60_000 }),
  consecutiveFaults: fc.nat(10),
  ejectedUntil: fc.constantFrom(0, 5000),
  ejections: fc.nat(10),
});

describe("latency", () => {
  it("is hardly moved by one long request, and wholly by slowness that lasts", () => {
    const usual = suspect("a", 5).latency;
    expect(typicalMilliseconds(recordLatency(usual, 10_000))).toBeLessThan(10);
    let slow = usual;
    for (let i = 0; i < 60; i++) slow = recordLatency(slow, 500);
    expect(typicalMilliseconds(slow)).toBeGreaterThan(400);
  });
});

describe("decideEjections", () => {
  it("ejects the target that is far slower than the others", () => {
    const ejections = decideEjections([suspect("a", 5), suspect("b", 800), suspect("c", 6)], 1000);
    expect(ejections).toEqual([expect.objectContaining({ id: "b", until: 11_000 })]);
  });

  it("leaves a target alone that is a little slower, or too new to be judged", () => {
    expect(decideEjections([suspect("a", 5), suspect("b", 60)], 0)).toEqual([]);
    expect(decideEjections([suspect("a", 100), suspect("b", 250)], 0)).toEqual([]);
    const fresh = { ...suspect("b", 1), latency: recordLatency(noLatency, 5000) };
    expect(decideEjections([suspect("a", 5), fresh], 0)).toEqual([]);
  });

  it("ejects one whose connections break, for longer each time, to a bound", () => {
    const broken = (ejections: number) => [
      suspect("a", 5),
      suspect("b", 5, { consecutiveFaults: 5, ejections }),
    ];
    expect(decideEjections(broken(0), 0)[0]?.until).toBe(10_000);
    expect(decideEjections(broken(2), 0)[0]?.until).toBe(30_000);
    expect(decideEjections(broken(100), 0)[0]?.until).toBe(60_000);
  });

  it("never has more than half of them out, and never the last", () => {
    fc.assert(
      fc.property(fc.array(anySuspect, { maxLength: 10 }), (records) => {
        const all = records.map(({ milliseconds, ...changes }, i) => suspect(`${i}`, milliseconds, changes));
        const before = all.filter(({ ejectedUntil }) => ejectedUntil > 1000).length;
        const fresh = decideEjections(all, 1000);
        expect(new Set(fresh.map(({ id }) => id)).size).toBe(fresh.length);
        if (fresh.length > 0) expect(before + fresh.length).toBeLessThanOrEqual(all.length / 2);
        for (const { id, until } of fresh) {
          expect(all.find((one) => one.id === id)?.ejectedUntil).toBeLessThanOrEqual(1000);
          expect(until).toBeGreaterThan(1000);
        }
      }),
    );
  });
});
