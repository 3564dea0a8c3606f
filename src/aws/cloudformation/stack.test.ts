import { CloudFormationClient } from "@aws-sdk/client-cloudformation";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { ScriptedCloudFormation } from "../../../test/support/aws/scripted-cloudformation.ts";
import type { Clock } from "../../ports/clock.ts";
import { createAwsClient } from "../client.ts";
import { detectDrift } from "./drift.ts";
import { CloudFormationStack } from "./stack.ts";

/** What the script does next depends on how often it is asked, not on the time. */
const clock: Clock = { now: () => new Date(0), elapsedMilliseconds: () => 0, sleep: async () => {} };
const input = { templateUrl: "https://shop.s3.eu-west-1.amazonaws.com/a.json", parameters: {} };
const resource = (id: string, status: string, reason?: string) => ({
  id,
  type: `AWS::Test::${id}`,
  status,
  ...(reason === undefined ? {} : { reason }),
});

describe("a stack that does not go as it should", () => {
  let service: ScriptedCloudFormation;
  let client: CloudFormationClient;
  let stack: CloudFormationStack;
  let messages: string[];
  const onProgress = (message: string) => void messages.push(message);
  beforeEach(async () => {
    messages = [];
    service = new ScriptedCloudFormation();
    client = createAwsClient(CloudFormationClient, await service.listen());
    stack = new CloudFormationStack({
      client,
      clock,
      name: "shop",
      prefix: "shop",
      hasTerminationProtection: true,
    });
  });
  afterEach(() => service.close());

  async function deploy(): Promise<void> {
    const { id } = await stack.plan(input, onProgress);
    await stack.execute(id ?? "", onProgress);
  }

  it("tells each event once and in its order, and protects the stack in the end", async () => {
    service.script.ExecuteChangeSet = [
      { status: "CREATE_IN_PROGRESS", events: [resource("Vpc", "CREATE_IN_PROGRESS")] },
      { status: "CREATE_IN_PROGRESS", events: [resource("Vpc", "CREATE_COMPLETE")] },
      { status: "CREATE_COMPLETE" },
    ];
    await deploy();
    expect(messages).toEqual([
      "Vpc (AWS::Test::Vpc): create in progress",
      "shop (AWS::CloudFormation::Stack): create in progress",
      "Vpc (AWS::Test::Vpc): create complete",
      "shop (AWS::CloudFormation::Stack): create complete",
    ]);
    expect(service.stack).toEqual(expect.objectContaining({ status: "CREATE_COMPLETE", isProtected: true }));
  });

  it("fails with the words of the resource that failed first", async () => {
    service.script.ExecuteChangeSet = [
      { status: "CREATE_IN_PROGRESS" },
      {
        status: "ROLLBACK_IN_PROGRESS",
        events: [
          resource("Queue", "CREATE_FAILED", "Resource creation cancelled"),
          resource("Vpc", "CREATE_FAILED", "The maximum number of VPCs has been reached."),
          resource("Subnet", "CREATE_FAILED", "No VPC"),
        ],
      },
      { status: "ROLLBACK_COMPLETE" },
    ];
    await expect(deploy()).rejects.toMatchObject({
      code: "E_AWS_DEPLOY",
      reason:
        "The stack shop is ROLLBACK_COMPLETE because of Vpc (AWS::Test::Vpc): The maximum number of VPCs has been reached.",
    });
  });

  it("clears away a stack that never came into being before the next attempt", async () => {
    service.begin("ROLLBACK_COMPLETE");
    service.script.DeleteStack = [{ status: "DELETE_IN_PROGRESS" }, { status: "DELETE_COMPLETE" }];
    service.script.ExecuteChangeSet = [{ status: "CREATE_COMPLETE" }];
    await deploy();
    expect(service.stack?.status).toBe("CREATE_COMPLETE");
    expect(service.calls.indexOf("DeleteStack")).toBeLessThan(service.calls.indexOf("CreateChangeSet"));
  });

  it("waits for what a killed process began, and tells how that goes", async () => {
    service.begin("CREATE_IN_PROGRESS", [
      { status: "CREATE_IN_PROGRESS", events: [resource("Vpc", "CREATE_COMPLETE")] },
      { status: "CREATE_IN_PROGRESS" },
      { status: "CREATE_COMPLETE" },
    ]);
    const { changes } = await stack.plan(input, onProgress);
    expect(messages).toContain("Vpc (AWS::Test::Vpc): create complete");
    expect(changes).toEqual([
      { action: "change", id: "Database", type: "AWS::RDS::DBInstance", replacement: "maybe" },
    ]);
  });

  it("finishes a rollback that got stuck", async () => {
    service.begin("UPDATE_ROLLBACK_FAILED");
    await stack.plan(input, onProgress);
    expect(service.calls).toContain("ContinueUpdateRollback");
  });

  it("lifts the termination protection, and says what could not be deleted", async () => {
    service.begin("CREATE_COMPLETE");
    service.script.DeleteStack = [
      {
        status: "DELETE_IN_PROGRESS",
        events: [resource("Bucket", "DELETE_FAILED", "The bucket you tried to delete is not empty")],
      },
      { status: "DELETE_FAILED" },
    ];
    await expect(stack.delete(onProgress)).rejects.toMatchObject({
      code: "E_AWS_DEPLOY",
      reason: expect.stringContaining(
        "Bucket (AWS::Test::Bucket): The bucket you tried to delete is not empty",
      ),
    });
    expect(service.calls.indexOf("UpdateTerminationProtection")).toBeLessThan(
      service.calls.indexOf("DeleteStack"),
    );
    service.script.DeleteStack = [{ status: "DELETE_COMPLETE" }];
    await stack.delete(onProgress);
    expect(await stack.find()).toBeUndefined();
  });

  it("tells what differs from the template", async () => {
    service.begin("CREATE_COMPLETE");
    service.driftsXml = `<member><LogicalResourceId>Topic</LogicalResourceId><ResourceType>AWS::SNS::Topic</ResourceType>
        <StackResourceDriftStatus>DELETED</StackResourceDriftStatus></member>
      <member><LogicalResourceId>Queue</LogicalResourceId><ResourceType>AWS::SQS::Queue</ResourceType>
        <StackResourceDriftStatus>MODIFIED</StackResourceDriftStatus><PropertyDifferences><member>
        <PropertyPath>/DelaySeconds</PropertyPath><ExpectedValue>0</ExpectedValue><ActualValue>5</ActualValue>
        <DifferenceType>NOT_EQUAL</DifferenceType></member></PropertyDifferences></member>`;
    expect(await detectDrift(client, clock, "shop")).toEqual([
      { id: "Topic", type: "AWS::SNS::Topic", difference: "missing", detail: "was deleted" },
      {
        id: "Queue",
        type: "AWS::SQS::Queue",
        difference: "changed",
        detail: "/DelaySeconds is 5 instead of 0",
      },
    ]);
  });
});
