import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type MigrationCandidate, planWaves } from "./waves.ts";

const candidates = fc.uniqueArray(
  fc.record({
    slug: fc.string({ minLength: 1, maxLength: 4 }),
    region: fc.constantFrom("eu-west-1", "us-east-1"),
    isolation: fc.constantFrom("schema", "database", "server"),
    schemaVersion: fc.nat(5),
  }),
  { selector: (candidate) => candidate.slug, maxLength: 60 },
);
const options = fc.record({ canaries: fc.nat(8), concurrency: fc.integer({ min: 1, max: 3 }) });

describe("waves of a migration", () => {
  it("have every tenant once, in its own region, canaries first", () => {
    fc.assert(
      fc.property(candidates, options, (all, chosen) => {
        const waves = planWaves(all, chosen);
        const regionOf = new Map(all.map(({ slug, region }) => [slug, region]));
        expect(waves.flatMap(({ slugs }) => slugs).toSorted()).toEqual(
          all.map(({ slug }) => slug).toSorted(),
        );
        for (const wave of waves) {
          expect(wave.slugs.length).toBeGreaterThan(0);
          for (const slug of wave.slugs) expect(regionOf.get(slug)).toBe(wave.region);
        }
        const isCanary = waves.map((wave) => wave.isCanary);
        expect(isCanary).toEqual(isCanary.toSorted((a, b) => Number(b) - Number(a)));
        const first = waves.filter((wave) => wave.isCanary).flatMap(({ slugs }) => slugs);
        expect(first).toHaveLength(Math.min(chosen.canaries, all.length));
      }),
    );
  });

  it("choose canaries of every kind before a second one of any", () => {
    const tenant = (slug: string, region: string, isolation: string): MigrationCandidate => ({
      slug,
      region,
      isolation,
      schemaVersion: 0,
    });
    const all = [
      tenant("a", "eu-west-1", "schema"),
      tenant("b", "eu-west-1", "schema"),
      tenant("c", "eu-west-1", "database"),
      tenant("d", "us-east-1", "schema"),
    ];
    const waves = planWaves(all, { canaries: 3, concurrency: 1 });
    expect(waves.filter((wave) => wave.isCanary).flatMap(({ slugs }) => slugs)).toEqual(["a", "c", "d"]);
    expect(waves.at(-1)).toEqual({ isCanary: false, region: "eu-west-1", slugs: ["b"] });
  });
});
