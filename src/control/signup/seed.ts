import { fault } from "../../core/error.ts";
import type { Balancer } from "../../ports/balancer.ts";

const timeoutMilliseconds = 60_000;

/**
 * Runs the application's seed on one of the region's instances: application code never runs in the control plane.
 * @throws E_REGION_UNAVAILABLE when no instance is healthy, E_SIGNUP_FAILED with the application's own reason
 */
export function createSeeder(parts: {
  readonly balancer: Balancer;
  readonly internalToken: string;
}): (slug: string) => Promise<void> {
  return async (slug) => {
    const target = (await parts.balancer.targets()).find((candidate) => candidate.state === "healthy");
    if (!target) throw fault("E_REGION_UNAVAILABLE", "No instance of the region is healthy.");
    const response = await fetch(`http://${target.address}/_rowhouse/internal/seed`, {
      method: "POST",
      headers: { authorization: `Bearer ${parts.internalToken}`, "content-type": "application/json" },
      body: JSON.stringify({ slug }),
      signal: AbortSignal.timeout(timeoutMilliseconds),
    });
    const problem = (await response.json().catch(() => ({}))) as { detail?: string };
    if (response.ok) return;
    throw fault(
      "E_SIGNUP_FAILED",
      problem.detail ?? `The application's seed failed with status ${response.status}.`,
    );
  };
}
