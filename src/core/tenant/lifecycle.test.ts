import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { lifecycle, type TenantEvent, type TenantState, transition } from "./lifecycle.ts";

const states = Object.keys(lifecycle) as TenantState[];
const events = Object.keys(lifecycle.active) as TenantEvent[];
const ends: readonly TenantState[] = ["closed", "failed"];

const anyState = fc.constantFrom(...states);
const anyEvent = fc.constantFrom(...events);
const anyEvents = fc.array(anyEvent, { maxLength: 40 });

/** The states of a sequence of events, of which the refused ones change nothing. */
function run(sequence: readonly TenantEvent[], from: TenantState = "provisioning"): TenantState[] {
  const visited = [from];
  for (const event of sequence) visited.push(lifecycle[visited.at(-1)!][event] ?? visited.at(-1)!);
  return visited;
}

/** The fewest events to one of the states, or `undefined` when there is no way. */
function distance(from: TenantState, to: readonly TenantState[]): number | undefined {
  let reached = new Set([from]);
  for (let steps = 0; steps <= states.length; steps++) {
    if ([...reached].some((state) => to.includes(state))) return steps;
    reached = new Set(
      [...reached].flatMap((state) => events.map((event) => lifecycle[state][event] ?? state)),
    );
  }
  return undefined;
}

describe("the table of states and events", () => {
  it("decides every state and event, and leads to no state that it does not have", () => {
    for (const state of states) {
      expect(Object.keys(lifecycle[state]).toSorted()).toEqual(events.toSorted());
      for (const next of Object.values(lifecycle[state])) if (next !== null) expect(states).toContain(next);
    }
  });

  it("reaches every state from a sign-up", () => {
    for (const state of states) expect(distance("provisioning", [state])).toBeDefined();
  });

  it("never leaves closed or failed", () => {
    fc.assert(
      fc.property(fc.constantFrom(...ends), anyEvents, (end, sequence) => {
        expect(new Set(run(sequence, end))).toEqual(new Set([end]));
      }),
    );
  });

  it("leaves closing by the end of the closing alone", () => {
    fc.assert(
      fc.property(anyEvents, (sequence) => {
        const visited = run(sequence);
        sequence.forEach((event, i) => {
          if (visited[i] === "closing" && visited[i + 1] !== "closing")
            expect([event, visited[i + 1]]).toEqual(["endClose", "closed"]);
        });
      }),
    );
  });

  it("begins to close an active or suspended tenant alone, and closes one that was closing alone", () => {
    for (const state of states) {
      expect(lifecycle[state].beginClose === "closing").toBe(
        ["active", "suspended", "closing"].includes(state),
      );
      expect(lifecycle[state].endClose === "closed").toBe(["closing", "closed"].includes(state));
    }
  });

  it("serves and moves nothing that was not activated", () => {
    fc.assert(
      fc.property(anyEvents, (sequence) => {
        run(sequence).forEach((state, i) => {
          if (!["provisioning", "failed"].includes(state)) expect(sequence.slice(0, i)).toContain("activate");
        });
      }),
    );
  });

  it("moves only what is active or suspended, and lets it be as it was before: who moves it knows", () => {
    fc.assert(
      fc.property(anyEvents, (sequence) => {
        run(sequence).forEach((state, i, visited) => {
          const before = visited[i - 1];
          if (state === "moving" && before !== "moving") expect(["active", "suspended"]).toContain(before);
          if (before === "moving" && state !== "moving") expect(["active", "suspended"]).toContain(state);
        });
      }),
    );
    expect(run(["beginMove", "endMove"], "active").at(-1)).toBe("active");
    expect(run(["beginMove", "endMoveSuspended"], "suspended").at(-1)).toBe("suspended");
  });

  it("holds a tenant that moves or closes: nobody suspends, resumes or activates it meanwhile", () => {
    for (const state of ["moving", "closing"] as const)
      for (const event of ["suspend", "resume", "activate", "fail"] as const)
        expect(lifecycle[state][event]).toBeNull();
  });

  it("takes a repeat of what has just happened, so that a crash between the work and its record harms nothing", () => {
    // A move ends where it began: a repeat of its end can't be told from one that comes out of the blue.
    const repeatable = events.filter((event) => !["endMove", "endMoveSuspended"].includes(event));
    fc.assert(
      fc.property(anyState, fc.constantFrom(...repeatable), (state, event) => {
        const next = lifecycle[state][event];
        if (next !== null) expect(lifecycle[next][event]).toBe(next);
      }),
    );
  });

  it("can always be brought to an end, in three events at most", () => {
    fc.assert(
      fc.property(anyEvents, (sequence) => {
        expect(distance(run(sequence).at(-1)!, ends)).toBeLessThanOrEqual(3);
      }),
    );
  });

  it("can always be closed once it was activated", () => {
    fc.assert(
      fc.property(anyEvents, (sequence) => {
        const state = run(["activate", ...sequence]).at(-1)!;
        expect(distance(state, ["closed"])).toBeDefined();
      }),
    );
  });
});

describe("a transition", () => {
  it("is what the table says, or is refused with the state and the verb in plain words", () => {
    fc.assert(
      fc.property(anyState, anyEvent, (state, event) => {
        const next = lifecycle[state][event];
        if (next !== null) expect(transition(state, event)).toBe(next);
        else expect(() => transition(state, event)).toThrow(`A tenant that is ${state} can't `);
      }),
    );
    expect(() => transition("closed", "resume")).toThrow("A tenant that is closed can't be resumed.");
  });
});
