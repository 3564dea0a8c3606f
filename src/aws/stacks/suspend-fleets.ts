import { type AutoScalingClient, SuspendProcessesCommand } from "@aws-sdk/client-auto-scaling";
import type { RegionResources } from "../resources.ts";

/**
 * All that the group of a fleet must not do by itself, because the controller does it. Attaching and detaching go on.
 * Source: Amazon EC2 Auto Scaling, "Suspend and resume processes".
 */
const processes = [
  "Launch",
  "Terminate",
  "HealthCheck",
  "ReplaceUnhealthy",
  "AZRebalance",
  "AlarmNotification",
  "ScheduledActions",
  "InstanceRefresh",
];

/**
 * Leaves the fleets' groups to the controller. CloudFormation has no property for it, so whoever deploys a region's stack
 * does this next; it can be repeated.
 */
export async function suspendFleetGroups(
  client: AutoScalingClient,
  groups: Pick<RegionResources["groups"], "app" | "worker">,
): Promise<void> {
  for (const { autoScalingGroup } of [groups.app, groups.worker]) {
    await client.send(
      new SuspendProcessesCommand({ AutoScalingGroupName: autoScalingGroup, ScalingProcesses: processes }),
    );
  }
}
