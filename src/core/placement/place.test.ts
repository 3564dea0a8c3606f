import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { place, type ServerLoad } from "./place.ts";

const server = fc.record({
  name: fc.string({ minLength: 1 }),
  tenants: fc.nat(100),
  capacity: fc.integer({ min: 1, max: 100 }),
  available: fc.boolean(),
});

describe("place", () => {
  it("gives isolation server a server of its own, whatever else there is", () => {
    expect(place("server", [])).toEqual({ kind: "dedicated" });
  });

  it("chooses an available server with room that no other beats, or says why not", () => {
    fc.assert(
      fc.property(fc.array(server), fc.constantFrom("schema", "database"), (servers, isolation) => {
        const usable = servers.filter((s) => s.available && s.tenants < s.capacity);
        if (usable.length === 0) {
          const full = servers.every((s) => s.tenants >= s.capacity);
          expect(() => place(isolation, servers)).toThrow(
            expect.objectContaining({ code: full ? "E_QUOTA" : "E_DATABASE_UNAVAILABLE" }),
          );
          return;
        }
        const chosen = place(isolation, servers);
        const share = (s: ServerLoad) => s.tenants / s.capacity;
        const best = Math.min(...usable.map(share));
        expect(
          usable.some((s) => chosen.kind === "shared" && s.name === chosen.server && share(s) === best),
        ).toBe(true);
      }),
    );
  });
});
