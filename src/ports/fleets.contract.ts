import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Fleets } from "./fleets.ts";

/**
 * What every engine of `fleets` must hold. `prepare` writes down what the instance is to run; `settleMilliseconds` is how
 * long a machine may take to start or to end (default 20 s).
 */
export function fleetsContract(
  name: string,
  make: () => Promise<{
    fleets: Fleets;
    zones: readonly [string, string];
    prepare(instanceId: string, zone: string): Promise<void>;
    dispose(): Promise<void>;
  }>,
  options: { readonly settleMilliseconds?: number } = {},
): void {
  const timeout = options.settleMilliseconds ?? 20_000;
  describe(`fleets: ${name}`, { timeout: 2 * timeout }, () => {
    let made: Awaited<ReturnType<typeof make>>;
    beforeAll(async () => {
      made = await make();
    });
    afterAll(() => made.dispose(), 3 * timeout);

    const find = async (id: string) => (await made.fleets.list("app")).find((instance) => instance.id === id);

    async function launch(id: string, zone: string) {
      await made.prepare(id, zone);
      return made.fleets.launch({ fleet: "app", zone, instanceId: id });
    }

    it("launches an instance in its zone, and lists it running with an address", async () => {
      const launched = await launch("i-one", made.zones[1]);
      expect(launched).toMatchObject({ id: "i-one", fleet: "app", zone: made.zones[1], market: "on-demand" });
      await expect
        .poll(() => find("i-one"), { timeout })
        .toMatchObject({ state: "running", address: expect.any(String) });
    });

    it("launches once, however often the same instance is asked for", async () => {
      await launch("i-twice", made.zones[0]);
      await launch("i-twice", made.zones[0]);
      const same = (await made.fleets.list("app")).filter((instance) => instance.id === "i-twice");
      expect(same).toHaveLength(1);
    });

    it("lists one fleet without the other", async () => {
      await launch("i-app", made.zones[0]);
      expect((await made.fleets.list("worker")).map((instance) => instance.id)).not.toContain("i-app");
    });

    it("terminates an instance, and terminating it again is no error", async () => {
      await launch("i-short", made.zones[0]);
      await made.fleets.terminate("i-short", { graceSeconds: 1 });
      await expect
        .poll(async () => (await find("i-short"))?.state ?? "terminated", { timeout })
        .toBe("terminated");
      await made.fleets.terminate("i-short");
      await made.fleets.terminate("i-never-was");
    });
  });
}
