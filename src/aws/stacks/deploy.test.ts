import { AutoScalingClient, DescribeAutoScalingGroupsCommand } from "@aws-sdk/client-auto-scaling";
import {
  CloudFormationClient,
  CreateStackCommand,
  DescribeStacksCommand,
} from "@aws-sdk/client-cloudformation";
import { DescribeRouteTablesCommand, EC2Client } from "@aws-sdk/client-ec2";
import { DescribeDBInstancesCommand, RDSClient } from "@aws-sdk/client-rds";
import { GetCallerIdentityCommand, STSClient } from "@aws-sdk/client-sts";
import { beforeAll, describe, expect, test } from "vitest";
import { emptyAccount, testPrefix } from "../../../test/support/aws/account.ts";
import { emulatorParameters } from "../../../test/support/aws/emulator-parameters.ts";
import { allTemplates, exampleConfig, exampleOptions } from "../../../test/support/aws/example-templates.ts";
import { ignoredTypes } from "../../../test/support/aws/ignored-types.ts";
import { runPython } from "../../../test/support/aws/run-python.ts";
import type { AwsAccess } from "../client.ts";
import { awsNames, vpcCidr } from "../resources.ts";
import { controlCidr } from "./address-plan.ts";
import { readGlobalOutputs, readRegionOutputs } from "./outputs.ts";
import { suspendFleetGroups } from "./suspend-fleets.ts";
import { synthesize } from "./synthesize.ts";
import type { StackLocation, Template, Templates } from "./template.ts";

const given = { domain: "bookshop.example", cacheEndpoint: "127.0.0.1:6379" };

// On a real account it is the deployer's own test that deploys the templates, and pays for them.
describe.skipIf(process.env.ROWHOUSE_AWS_REAL === "1")("the templates, deployed on the emulator", () => {
  const prefix = testPrefix();
  const outputs = new Map<string, Record<string, string>>();
  let access: AwsAccess;
  let accountId: string;
  let templates: Templates;

  beforeAll(async () => {
    access = await emptyAccount();
    accountId = (await new STSClient(access).send(new GetCallerIdentityCommand({}))).Account!;
    templates = synthesize({ ...exampleOptions(exampleConfig(2)), accountId, prefix });
    const { zone, global, regions, peerings } = templates;
    // The emulator finds no network in another region, so only the control region's own peering can be made.
    const { request, accept } = peerings["eu-west-1"]!;
    for (const template of [zone!, global, ...Object.values(regions), request, accept]) {
      await deploy(template);
    }
  });

  const keyOf = ({ region, stackName }: StackLocation) => `${region}/${stackName}`;
  const outputsOf = (stack: StackLocation) => outputs.get(keyOf(stack))!;

  async function deploy(template: Template): Promise<void> {
    const { stackName, region, parameters } = template;
    const values: Record<string, string> = await emulatorParameters({ ...access, region }, given);
    for (const [key, source] of Object.entries(parameters)) {
      values[key] = typeof source === "string" ? source : outputsOf(source)[source.output]!;
    }
    // A repeated request would find its own first half and hide what went wrong.
    const client = new CloudFormationClient({ ...access, region, maxAttempts: 1 });
    await client.send(
      new CreateStackCommand({
        StackName: stackName,
        TemplateBody: JSON.stringify(template.template),
        Capabilities: ["CAPABILITY_NAMED_IAM"],
        Parameters: Object.entries(values)
          .filter(([key]) => template.template.Parameters?.[key])
          .map(([ParameterKey, ParameterValue]) => ({ ParameterKey, ParameterValue })),
      }),
    );
    const { Stacks } = await client.send(new DescribeStacksCommand({ StackName: stackName }));
    const { StackStatus, Outputs = [] } = Stacks![0]!;
    expect(StackStatus).toBe("CREATE_COMPLETE");
    const pairs = Outputs.map(({ OutputKey, OutputValue }) => [OutputKey!, OutputValue!]);
    outputs.set(keyOf(template), Object.fromEntries(pairs));
  }

  test.each(["eu-west-1", "eu-central-1"])("the outputs of %s are its resources", (region) => {
    const resources = readRegionOutputs(outputsOf(templates.regions[region]!));
    expect(resources).toMatchObject({
      prefix,
      region,
      accountId,
      bucket: awsNames.bucket(prefix, region, accountId),
      registryTable: `${prefix}-registry`,
      cacheEndpoint: given.cacheEndpoint,
      databases: { subnetGroup: `${prefix}-databases`, instanceClasses: { shared: "db.m7g.large" } },
      groups: { app: { autoScalingGroup: `${prefix}-app` } },
    });
    expect(Object.keys(resources.privateSubnets)).toEqual(
      region === "eu-west-1" ? ["a", "b", "c"] : ["a", "b"],
    );
    expect(resources.keyArn).toMatch(/^arn:aws:kms:/);
    expect(resources.loadBalancer.targetGroupArn).toContain(`targetgroup/${prefix}-app/`);
  });

  test("the global stack's outputs are its resources", () => {
    expect(readGlobalOutputs(outputsOf(templates.global))).toMatchObject({
      prefix,
      region: "eu-west-1",
      hostedZoneId: outputsOf(templates.zone!).HostedZoneId,
      vpcCidr: "10.16.0.0/16",
      url: "https://bookshop.example",
      apiUrl: "https://api.bookshop.example",
      group: { autoScalingGroup: `${prefix}-control-plane` },
    });
  });

  test("outputs of another stack are no region's", () => {
    expect(() => readRegionOutputs(outputsOf(templates.global))).toThrow();
    expect(() => readGlobalOutputs(outputsOf(templates.regions["eu-west-1"]!))).toThrow();
  });

  test("the control region's peering leads both ways", async () => {
    const client = new EC2Client(access);
    const destinations = async (table: string) => {
      const { RouteTables } = await client.send(new DescribeRouteTablesCommand({ RouteTableIds: [table] }));
      return RouteTables![0]!.Routes!.map(({ DestinationCidrBlock }) => DestinationCidrBlock);
    };
    const region = outputsOf(templates.regions["eu-west-1"]!);
    expect(await destinations(region.ControlRouteTableB!)).toContain(vpcCidr(0));
    expect(await destinations(outputsOf(templates.global).DataRouteTable!)).toEqual([
      vpcCidr(0),
      controlCidr(1),
    ]);
  });

  test("there is a controller, and fleets are empty until it launches into them", async () => {
    const { AutoScalingGroups } = await new AutoScalingClient(access).send(
      new DescribeAutoScalingGroupsCommand({}),
    );
    const sizes = AutoScalingGroups!.map((group) => [group.AutoScalingGroupName, group.Instances!.length]);
    expect(Object.fromEntries(sizes)).toEqual({
      [`${prefix}-app`]: 0,
      [`${prefix}-worker`]: 0,
      [`${prefix}-controller`]: 1,
      [`${prefix}-control-plane`]: 1,
    });
  });

  test("a fleet's group leaves launching and ending to the controller, whose own group does not", async () => {
    const client = new AutoScalingClient(access);
    const { groups } = readRegionOutputs(outputsOf(templates.regions["eu-west-1"]!));
    for (const _ of [1, 2]) await suspendFleetGroups(client, groups);
    const { AutoScalingGroups } = await client.send(new DescribeAutoScalingGroupsCommand({}));
    const suspended = (name: string) =>
      AutoScalingGroups!
        .find(({ AutoScalingGroupName }) => AutoScalingGroupName === name)!
        .SuspendedProcesses!.map(({ ProcessName }) => ProcessName);
    for (const fleet of ["app", "worker"])
      expect(suspended(`${prefix}-${fleet}`)).toEqual(
        expect.arrayContaining(["Launch", "Terminate", "ReplaceUnhealthy", "AZRebalance"]),
      );
    expect(suspended(`${prefix}-controller`)).toEqual([]);
  });

  test("the database servers have the names by which the adapter finds them", async () => {
    const { DBInstances } = await new RDSClient(access).send(new DescribeDBInstancesCommand({}));
    expect(DBInstances!.map(({ DBInstanceIdentifier }) => DBInstanceIdentifier).toSorted()).toEqual([
      `${prefix}-directory`,
      `${prefix}-shared-1`,
    ]);
  });

  test("the emulator ignores the types that are listed, and no others", async () => {
    const used = new Set(
      allTemplates(templates).flatMap(({ template }) =>
        Object.values(template.Resources).map(({ Type }) => Type),
      ),
    );
    const known = JSON.parse(
      await runPython(
        "import json; from moto.cloudformation.parsing import get_model_map; print(json.dumps(list(get_model_map())))",
      ),
    ) as string[];
    const ignored = [...used].filter((type) => !known.includes(type));
    expect(ignored.toSorted()).toEqual(Object.keys(ignoredTypes));
  }, 60_000);
});
