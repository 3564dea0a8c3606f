import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { lifecycle, type TenantEvent, type TenantState, transition } from "./lifecycle.ts";

const states = Object.keys(lifecycle) as TenantState[];
const events = Object.keys(lifecycle.active) as TenantEvent[];

/** The state after a sequence of events, of which the refused ones change nothing. */
function run(sequence: readonly TenantEvent[]): TenantState[] {
  const visited: TenantState[] = ["provisioning"];
  for (const event of sequence) visited.push(lifecycle[visited.at(-1)!][event] ?? visited.at(-1)!);
  return visited;
}

describe("lifecycle", () => {
  it("never leaves closed or failed", () => {
    fc.assert(
      fc.property(fc.array(fc.constantFrom(...events)), (sequence) => {
        const visited = run(sequence);
        const end = visited.findIndex((state) => state === "closed" || state === "failed");
        if (end >= 0) expect(new Set(visited.slice(end)).size).toBe(1);
      }),
    );
  });

  it("closes only what was closing, and serves nothing that was not activated", () => {
    fc.assert(
      fc.property(fc.array(fc.constantFrom(...events)), (sequence) => {
        const visited = run(sequence);
        visited.forEach((state, i) => {
          if (state === "closed") expect(["closing", "closed"]).toContain(visited[i - 1]);
          if (state === "active") expect(sequence.slice(0, i)).toContain("activate");
        });
      }),
    );
  });

  it("lets every state but the two ends reach closed or failed", () => {
    for (const start of states) {
      const reached = new Set<TenantState>([start]);
      for (const state of reached) for (const event of events) reached.add(lifecycle[state][event] ?? state);
      expect([...reached].some((state) => state === "closed" || state === "failed")).toBe(true);
    }
  });

  it("refuses with the state and the verb in plain words", () => {
    expect(() => transition("closed", "resume")).toThrow("A tenant that is closed can't be resumed.");
  });
});
