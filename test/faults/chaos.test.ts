import { describe, expect, it } from "vitest";
import { faultKinds, fleetKinds, tenantKinds } from "./chaos/plan.ts";
import { runChaos } from "./chaos/run.ts";

describe.runIf(process.platform === "linux")(
  "a system to which everything happens in an order of chance",
  () => {
    it("has every acknowledged write exactly once", async () => {
      const lines: string[] = [];
      const result = await runChaos({
        seed: 1,
        seconds: 35,
        leastActions: 12,
        tenants: 6,
        kinds: [...faultKinds, ...fleetKinds, ...tenantKinds],
        print: (line) => lines.push(line),
      });
      expect(result.wrong, lines.join("\n")).toEqual([]);
      expect(result.acknowledged).toBeGreaterThan(100);
      expect(result.actions.length).toBeGreaterThanOrEqual(12);
    }, 600_000);
  },
);
