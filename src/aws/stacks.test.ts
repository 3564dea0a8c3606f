import {
  CloudFormationClient,
  CreateChangeSetCommand,
  DescribeStacksCommand,
  DetectStackDriftCommand,
  ExecuteChangeSetCommand,
  UpdateTerminationProtectionCommand,
} from "@aws-sdk/client-cloudformation";
import {
  GetBucketVersioningCommand,
  HeadBucketCommand,
  PutObjectCommand,
  S3Client,
} from "@aws-sdk/client-s3";
import { GetCallerIdentityCommand, STSClient } from "@aws-sdk/client-sts";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { emptyAccount, testPrefix } from "../../test/support/aws/account.ts";
import { completeChangeSets } from "../../test/support/aws/change-sets.ts";
import { fault } from "../core/error.ts";
import { createSystemClock } from "../node/clock.ts";
import { stacksContract } from "../ports/stacks.contract.ts";
import type { Stacks } from "../ports/stacks.ts";
import { type AwsAccess, createAwsClient } from "./client.ts";
import { deleteBuckets } from "./cloudformation/buckets.ts";
import { deployBucket } from "./cloudformation/template-bucket.ts";
import type { CloudFormationTemplate, Template } from "./stacks/template.ts";
import { createStacks } from "./stacks.ts";

const isReal = process.env.ROWHOUSE_AWS_REAL === "1";

/** An account with a stack each for two regions; the first one's templates can be changed. */
async function openAccount() {
  const access: AwsAccess = await emptyAccount();
  const sts = createAwsClient(STSClient, access);
  const { Account: accountId = "" } = await sts.send(new GetCallerIdentityCommand({}));
  const prefix = testPrefix();
  const clients = {
    cloudFormation: createAwsClient(CloudFormationClient, access),
    s3: createAwsClient(S3Client, access, { forcePathStyle: access.endpoint !== undefined }),
  };
  if (!isReal) completeChangeSets(clients.cloudFormation);
  const names = ["eu-west-1", "eu-central-1"];
  const regionTemplate = (name: string): CloudFormationTemplate => ({
    Parameters: { Protection: { Type: "String", Default: "on" } },
    Resources: {
      Topic: { Type: "AWS::SNS::Topic", Properties: { TopicName: `${prefix}-${name}` } },
      Bucket: {
        Type: "AWS::S3::Bucket",
        Properties: { BucketName: `${prefix}-${name}-${accountId}` },
        DeletionPolicy: "Retain",
      },
    },
    Outputs: { TopicArn: { Value: { Ref: "Topic" } } },
  });
  const peeringTemplate = (name: string): CloudFormationTemplate => ({
    Parameters: { TopicArn: { Type: "String" } },
    Resources: {
      Queue: { Type: "AWS::SQS::Queue", Properties: { QueueName: `${prefix}-${name}` } },
      Subscription: {
        Type: "AWS::SNS::Subscription",
        Properties: {
          TopicArn: { Ref: "TopicArn" },
          Protocol: "sqs",
          Endpoint: { "Fn::GetAtt": ["Queue", "Arn"] },
        },
      },
    },
  });
  const state = { extra: {} as CloudFormationTemplate["Resources"] };
  const templates = async (name: string): Promise<[Template, Template]> => {
    if (!names.includes(name)) throw fault("E_REGION_UNKNOWN", `There is no ${name}.`);
    const at = { region: access.region, stackName: `${prefix}-${name}` };
    const own = regionTemplate(name);
    const template = { ...own, Resources: { ...own.Resources, ...state.extra } };
    const source = { ...at, output: "TopicArn" };
    return [
      { ...at, template, parameters: {} },
      {
        ...at,
        stackName: `${prefix}-${name}-peering`,
        template: peeringTemplate(name),
        parameters: { TopicArn: source },
      },
    ];
  };
  const open = (): Stacks =>
    createStacks({
      prefix,
      accountId,
      clock: createSystemClock(),
      clients: () => clients,
      names: () => names,
      templates,
      // moto 5.2.5 has no UpdateTerminationProtection; a test below notices when it has.
      hasTerminationProtection: isReal,
    });
  const bucket = deployBucket(prefix, accountId, access.region);
  const dispose = async () => {
    for (const name of names) await open().delete(name, () => {});
    const Resources = { Bucket: { Type: "AWS::S3::Bucket", Properties: { BucketName: bucket } } };
    await deleteBuckets(clients.s3, { template: { Resources } }, () => {});
  };
  return { access, prefix, accountId, clients, names, state, open, bucket, dispose };
}

const noDrift = "moto 5.2.5 can't detect drift; the tests against CloudFormation's own answers below do";

stacksContract(
  "CloudFormation",
  async () => {
    const account = await openAccount();
    return {
      stacks: account.open(),
      region: "eu-west-1",
      other: "eu-central-1",
      reopen: async () => account.open(),
      damage: async () => {},
      dispose: account.dispose,
    };
  },
  isReal
    ? {
        skip: {
          "finds out what is missing, and remembers it": "it would have to break the region from outside",
        },
      }
    : {
        skip: {
          "finds nothing amiss in one that is as it should be": noDrift,
          "finds out what is missing, and remembers it": noDrift,
        },
      },
);

describe("a region on CloudFormation", () => {
  let account: Awaited<ReturnType<typeof openAccount>>;
  let stacks: Stacks;
  beforeAll(async () => {
    account = await openAccount();
    stacks = account.open();
    await stacks.apply(await stacks.plan("eu-west-1"), () => {});
  });
  afterAll(() => account.dispose());

  const silent = () => {};

  it("gives the outputs of one stack to the next, and shows both before either is there", async () => {
    const plan = await stacks.plan("eu-central-1");
    expect(plan.changes.map(({ id }) => id).toSorted()).toEqual(["Bucket", "Queue", "Subscription", "Topic"]);
    await stacks.apply(plan, silent);
    expect(await stacks.describe("eu-central-1")).toMatchObject({ status: "ready" });
    await stacks.delete("eu-central-1", silent);
  });

  it("sends templates by way of a bucket of its own, which is versioned", async () => {
    const { Status } = await account.clients.s3.send(
      new GetBucketVersioningCommand({ Bucket: account.bucket }),
    );
    expect(Status).toBe("Enabled");
  });

  it("shows what an update adds and removes, and nothing when there is nothing", async () => {
    account.state.extra = {
      Alarms: { Type: "AWS::SNS::Topic", Properties: { TopicName: `${account.prefix}-x` } },
    };
    const adding = await stacks.plan("eu-west-1");
    expect(adding.changes).toEqual([
      { action: "add", id: "Alarms", type: "AWS::SNS::Topic", replacement: "no" },
    ]);
    const messages: string[] = [];
    await stacks.apply(adding, (message) => messages.push(message));
    expect(messages.join("\n")).toContain("update complete");
    expect((await stacks.plan("eu-west-1")).changes).toEqual([]);
    account.state.extra = {};
    const removing = await stacks.plan("eu-west-1");
    expect(removing.changes).toMatchObject([{ action: "remove", id: "Alarms" }]);
    await stacks.apply(removing, silent);
  });

  it("removes the buckets that CloudFormation keeps, with all versions of what is in them", async () => {
    const { s3 } = account.clients;
    await stacks.apply(await stacks.plan("eu-central-1"), silent);
    const Bucket = `${account.prefix}-eu-central-1-${account.accountId}`;
    for (const Body of ["old", "new"]) await s3.send(new PutObjectCommand({ Bucket, Key: "a", Body }));
    const messages: string[] = [];
    await stacks.delete("eu-central-1", (message) => messages.push(message));
    expect(messages.join("\n")).toContain(`the bucket ${Bucket} removed`);
    await expect(s3.send(new HeadBucketCommand({ Bucket }))).rejects.toMatchObject({ name: "NotFound" });
  });

  it("lifts the protection before it deletes", async () => {
    const { cloudFormation } = account.clients;
    await stacks.apply(await stacks.plan("eu-central-1"), silent);
    const { Stacks: [stack] = [] } = await cloudFormation.send(
      new DescribeStacksCommand({ StackName: `${account.prefix}-eu-central-1` }),
    );
    const messages: string[] = [];
    await stacks.delete("eu-central-1", (message) => messages.push(message));
    expect(messages.join("\n")).toMatch(/lifting the protection[\s\S]*update complete/);
    const { Stacks: [gone] = [] } = await cloudFormation.send(
      new DescribeStacksCommand({ StackName: stack?.StackId }),
    );
    expect(gone).toMatchObject({
      StackStatus: "DELETE_COMPLETE",
      Parameters: [{ ParameterKey: "Protection", ParameterValue: "off" }],
    });
  });
});

describe.skipIf(isReal)("moto", () => {
  it("leaves the outputs out of a stack that a change set made", async () => {
    const client = createAwsClient(CloudFormationClient, await emptyAccount());
    const TemplateBody = JSON.stringify({
      Resources: { Topic: { Type: "AWS::SNS::Topic" } },
      Outputs: { TopicArn: { Value: { Ref: "Topic" } } },
    });
    const names = { StackName: "outputs", ChangeSetName: "first" };
    await client.send(new CreateChangeSetCommand({ ...names, ChangeSetType: "CREATE", TemplateBody }));
    await client.send(new ExecuteChangeSetCommand(names));
    const { Stacks: [stack] = [] } = await client.send(new DescribeStacksCommand({ StackName: "outputs" }));
    expect(stack).toMatchObject({ StackStatus: "CREATE_COMPLETE" });
    expect(stack?.Outputs).toBeUndefined();
  });

  it("has neither termination protection nor drift yet", async () => {
    const access = await emptyAccount();
    const client = createAwsClient(CloudFormationClient, access, { maxAttempts: 1 });
    const StackName = "any";
    const unknown = { code: "E_AWS_UNAVAILABLE" };
    await expect(
      client.send(new UpdateTerminationProtectionCommand({ StackName, EnableTerminationProtection: true })),
    ).rejects.toMatchObject(unknown);
    await expect(client.send(new DetectStackDriftCommand({ StackName }))).rejects.toMatchObject(unknown);
  });
});
