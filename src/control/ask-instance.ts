import { fault } from "../core/error.ts";
import type { ErrorCode } from "../core/error-catalog.ts";
import type { Balancer } from "../ports/balancer.ts";

const timeoutMilliseconds = 60_000;

export interface InstanceAccess {
  readonly balancer: Pick<Balancer, "targets">;
  readonly internalToken: string;
}

/**
 * Has one of the region's instances do something: application code never runs in the control plane.
 * @throws E_REGION_UNAVAILABLE when no instance is healthy, and `failure` with the instance's own reason
 */
export async function askInstance(
  { balancer, internalToken }: InstanceAccess,
  action: "seed" | "canaries",
  body: { readonly slug: string } & Readonly<Record<string, unknown>>,
  failure: ErrorCode,
): Promise<void> {
  const target = (await balancer.targets()).find((candidate) => candidate.state === "healthy");
  if (!target) throw fault("E_REGION_UNAVAILABLE", "No instance of the region is healthy.");
  const response = await fetch(`http://${target.address}/_rowhouse/internal/${action}`, {
    method: "POST",
    headers: { authorization: `Bearer ${internalToken}`, "content-type": "application/json" },
    body: JSON.stringify(body),
    signal: AbortSignal.timeout(timeoutMilliseconds),
  });
  const problem = (await response.json().catch(() => ({}))) as { detail?: string };
  if (response.ok) return;
  throw fault(failure, problem.detail ?? `The instance answered "${action}" with status ${response.status}.`);
}
