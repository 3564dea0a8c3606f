import { expect, test } from "vitest";
import { createFakeClock } from "../../../test/support/fake-clock.ts";
import type { RegionState } from "../../control/recovery/region-states.ts";
import { fault } from "../../core/error.ts";
import type { FleetInstance } from "../../ports/fleets.ts";
import { untilMayServe } from "./controller-fence.ts";

const clock = createFakeClock();

function server(id: string): FleetInstance {
  return { id, fleet: "app", zone: "a", state: "running", market: "on-demand", launchedAt: clock.now() };
}

/** A region whose directory says these things one after the other; an error is a directory that can't be asked. */
function region(says: readonly (RegionState["state"] | Error)[], servers: readonly string[]) {
  const running = new Set(servers);
  const graces: (number | undefined)[] = [];
  const said: string[] = [];
  let asked = 0;
  const states = {
    find: async (name: string) => {
      const word = says[Math.min(asked++, says.length - 1)];
      if (word instanceof Error) throw word;
      return { region: name, state: word } as RegionState;
    },
  };
  const fleets = {
    list: async () => [...running].map(server),
    terminate: async (id: string, options?: { readonly graceSeconds?: number }) => {
      running.delete(id);
      graces.push(options?.graceSeconds);
    },
  };
  const log = ({ message }: { readonly message: string }) => void said.push(message);
  return { parts: { region: "eu-west-1", states, fleets, clock, log }, running, graces, said };
}

const away = fault("E_DATABASE_UNAVAILABLE", "The directory is away.");

test("a region that serves goes on at once, and one that is coming back too", async () => {
  for (const state of ["serving", "failing-back"] as const) {
    const { parts, running } = region([state], ["i-1"]);
    await untilMayServe(parts);
    expect(running.size).toBe(1);
  }
});

test("a region that failed over ends its servers, and waits until it may serve again", async () => {
  const { parts, running, graces, said } = region(["failed-over", "failed-over", "serving"], ["i-1", "i-2"]);
  let isOver = false;
  const waiting = untilMayServe(parts).then(() => {
    isOver = true;
  });
  await clock.untilSleeping();
  expect([...running]).toEqual([]);
  expect(graces).toEqual([0, 0]);
  expect(isOver).toBe(false);
  await clock.advance(5000);
  expect(isOver).toBe(false);
  await clock.advance(5000);
  await waiting;
  expect(said).toEqual(["the region has failed over, and serves nobody"]);
});

test("what serves goes on while the directory is away, and what does not serve waits for its word", async () => {
  const serving = region([away], ["i-1"]);
  await untilMayServe(serving.parts);
  expect(serving.running.size).toBe(1);
  const idle = region([away, "serving"], []);
  const waiting = untilMayServe(idle.parts);
  await clock.untilSleeping();
  await clock.advance(5000);
  await waiting;
  expect(idle.said).toEqual([expect.stringContaining("The directory is away.")]);
});
