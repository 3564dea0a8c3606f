import { describe, expect, it } from "vitest";
import { createFakeClock, createSeededRandom } from "../../test/support/fake-clock.ts";
import { clockContract, randomContract } from "../ports/clock.contract.ts";
import { createSystemClock, createSystemRandom } from "./clock.ts";

clockContract("system", () => ({ clock: createSystemClock(), pass: async () => {} }));
clockContract("moved by hand", () => {
  const clock = createFakeClock();
  return { clock, pass: (milliseconds) => clock.advance(milliseconds) };
});
randomContract("system", createSystemRandom);
randomContract("seeded", () => createSeededRandom(1));

describe("the system clock", () => {
  it("sleeps through more than 2^31 ms, where one timer of Node would fire at once", async () => {
    const stop = new AbortController();
    const clock = createSystemClock();
    const longSleep = clock.sleep(2 ** 32, stop.signal).then(
      () => "woken",
      () => "aborted",
    );
    await clock.sleep(20);
    stop.abort();
    expect(await longSleep).toBe("aborted");
  });
});

describe("the clock moved by hand", () => {
  it("lets a loop of sleeps go round as often as it would have", async () => {
    const clock = createFakeClock(new Date("2026-01-01T00:00:00Z"));
    const stop = new AbortController();
    const rounds: string[] = [];
    const loop = (async () => {
      for (;;) {
        await clock.sleep(60_000, stop.signal);
        rounds.push(clock.now().toISOString().slice(11, 16));
      }
    })().catch(() => {});
    await clock.untilSleeping();
    await clock.advance(59_999);
    expect(rounds).toEqual([]);
    await clock.advance(120_001);
    expect(rounds).toEqual(["00:01", "00:02", "00:03"]);
    stop.abort();
    await loop;
    expect(clock.sleeping()).toBe(0);
  });
});

describe("seeded randomness", () => {
  it("repeats itself for a seed, and differs for another", () => {
    const draw = (seed: number) => {
      const random = createSeededRandom(seed);
      return [random.uuid(), Buffer.from(random.bytes(40)).toString("hex")];
    };
    expect(draw(7)).toEqual(draw(7));
    expect(draw(7)).not.toEqual(draw(8));
  });
});
