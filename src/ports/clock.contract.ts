import { describe, expect, it } from "vitest";
import type { Clock, Random } from "./clock.ts";

/** Holds a clock to its port. `pass` lets that much time go by (a real clock needs no help: return at once). */
export function clockContract(
  name: string,
  make: () => { readonly clock: Clock; pass(milliseconds: number): Promise<void> },
): void {
  describe(`${name}: clock`, () => {
    it("wakes a sleeper when its time has come, and not before", async () => {
      const { clock, pass } = make();
      const start = clock.elapsedMilliseconds();
      const slept = clock.sleep(30);
      await pass(30);
      await slept;
      // A timer of the system may fire up to a millisecond early by its own clock.
      expect(clock.elapsedMilliseconds() - start).toBeGreaterThanOrEqual(29);
    });

    it("wakes sleepers in the order of their times", async () => {
      const { clock, pass } = make();
      const woken: number[] = [];
      const sleepers = [60, 5, 30].map((milliseconds) =>
        clock.sleep(milliseconds).then(() => woken.push(milliseconds)),
      );
      await pass(60);
      await Promise.all(sleepers);
      expect(woken).toEqual([5, 30, 60]);
    });

    it("does not wait for no time", async () => {
      const { clock } = make();
      await clock.sleep(0);
      await clock.sleep(-1);
    });

    it("moves its date and its elapsed time together", async () => {
      const { clock, pass } = make();
      const [date, elapsed] = [clock.now().getTime(), clock.elapsedMilliseconds()];
      const slept = clock.sleep(40);
      await pass(40);
      await slept;
      const passed = clock.elapsedMilliseconds() - elapsed;
      expect(Math.abs(clock.now().getTime() - date - passed)).toBeLessThan(50);
    });

    it("rejects an aborted sleep with the signal's own reason, at once", async () => {
      const { clock } = make();
      const stop = new AbortController();
      const reason = new Error("enough");
      const slept = clock.sleep(3_600_000, stop.signal);
      stop.abort(reason);
      await expect(slept).rejects.toBe(reason);
      await expect(clock.sleep(3_600_000, stop.signal)).rejects.toBe(reason);
    });

    it("hands out a date of its own each time", () => {
      const { clock } = make();
      clock.now().setFullYear(1970);
      expect(clock.now().getFullYear()).not.toBe(1970);
    });
  });
}

/** Holds a source of randomness to its port. */
export function randomContract(name: string, make: () => Random): void {
  describe(`${name}: random`, () => {
    it("gives as many bytes as asked for, and others the next time", () => {
      const random = make();
      expect([0, 1, 12, 1000].map((length) => random.bytes(length).length)).toEqual([0, 1, 12, 1000]);
      expect(random.bytes(16)).not.toEqual(random.bytes(16));
    });

    it("uses all values of a byte about equally", () => {
      const counts = new Map<number, number>();
      for (const byte of make().bytes(256 * 400)) counts.set(byte, (counts.get(byte) ?? 0) + 1);
      // 400 expected each; ten standard deviations are 200.
      expect(counts.size).toBe(256);
      expect(Math.min(...counts.values())).toBeGreaterThan(200);
      expect(Math.max(...counts.values())).toBeLessThan(600);
    });

    it("makes version 4 UUIDs (RFC 9562, 5.4), each once", () => {
      const random = make();
      const ids = Array.from({ length: 1000 }, () => random.uuid());
      expect(new Set(ids).size).toBe(1000);
      for (const id of ids)
        expect(id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
    });
  });
}
