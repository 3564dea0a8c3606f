import {
  type CloudFormationClient,
  DescribeStackDriftDetectionStatusCommand,
  DetectStackDriftCommand,
  paginateDescribeStackResourceDrifts,
  type StackResourceDrift,
} from "@aws-sdk/client-cloudformation";
import { fault } from "../../core/error.ts";
import type { Clock } from "../../ports/clock.ts";
import type { StackDrift } from "../../ports/stacks.ts";

const pollMilliseconds = 3000;

/** Has CloudFormation look at every resource, and returns those that differ. */
export async function detectDrift(
  client: CloudFormationClient,
  clock: Clock,
  stackName: string,
): Promise<StackDrift[]> {
  const { StackDriftDetectionId } = await client.send(new DetectStackDriftCommand({ StackName: stackName }));
  for (;;) {
    const { DetectionStatus, DetectionStatusReason } = await client.send(
      new DescribeStackDriftDetectionStatusCommand({ StackDriftDetectionId }),
    );
    if (DetectionStatus === "DETECTION_COMPLETE") return readDrift(client, stackName);
    // Some resources can't be looked at; what is known of the others still counts.
    if (DetectionStatus === "DETECTION_FAILED") {
      const found = await readDrift(client, stackName);
      if (found.length > 0) return found;
      throw fault("E_AWS_UNAVAILABLE", `The drift of ${stackName} can't be told: ${DetectionStatusReason}.`);
    }
    await clock.sleep(pollMilliseconds);
  }
}

/** What the last look found. */
export async function readDrift(client: CloudFormationClient, stackName: string): Promise<StackDrift[]> {
  const drifts: StackDrift[] = [];
  const filter = {
    StackName: stackName,
    StackResourceDriftStatusFilters: ["MODIFIED" as const, "DELETED" as const],
  };
  for await (const page of paginateDescribeStackResourceDrifts({ client }, filter))
    drifts.push(...(page.StackResourceDrifts ?? []).map(toDrift));
  return drifts;
}

function toDrift({
  LogicalResourceId: id = "",
  ResourceType: type = "",
  StackResourceDriftStatus: status,
  PropertyDifferences = [],
}: StackResourceDrift): StackDrift {
  if (status === "DELETED") return { id, type, difference: "missing", detail: "was deleted" };
  const details = PropertyDifferences.map(
    ({ PropertyPath, ActualValue, ExpectedValue }) =>
      `${PropertyPath} is ${ActualValue} instead of ${ExpectedValue}`,
  );
  return { id, type, difference: "changed", detail: details.join("; ") };
}
