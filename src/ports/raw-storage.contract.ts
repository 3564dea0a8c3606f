import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { RawStorage } from "./raw-storage.ts";

/** What every engine's raw storage must do; `kept` is a text that it keeps somewhere, if it can be read at all. */
export function rawStorageContract(
  name: string,
  make: () => Promise<{ readonly storage: RawStorage; readonly kept?: string; dispose(): Promise<void> }>,
): void {
  describe(`${name}: raw storage`, () => {
    let storage: RawStorage;
    let kept: string | undefined;
    let dispose: () => Promise<void>;

    beforeAll(async () => {
      ({ storage, kept, dispose } = await make());
    });
    afterAll(() => dispose());

    async function readAll(): Promise<Map<string, string>> {
      const found = new Map<string, string>();
      for await (const { store, name: place, bytes } of storage.places()) {
        expect(found.has(`${store}/${place}`)).toBe(false);
        let text = "";
        for await (const piece of bytes()) text += Buffer.from(piece).toString("latin1");
        found.set(`${store}/${place}`, text);
      }
      return found;
    }

    test("gives each place once, with all that is kept, and as often as it is asked", async () => {
      const found = await readAll();
      if (kept !== undefined) expect([...found.values()].join("\n")).toContain(kept);
      expect([...(await readAll()).keys()].toSorted()).toEqual([...found.keys()].toSorted());
    });

    test("says what it can't read, or has something to read", async () => {
      const { size } = await readAll();
      expect(storage.unreadable.length + size).toBeGreaterThan(0);
      for (const clause of storage.unreadable) expect(clause).toMatch(/^[^.]+[^.]$/s);
    });
  });
}
