import { randomInt } from "node:crypto";
import {
  AutoScalingClient,
  CreateAutoScalingGroupCommand,
  DeleteAutoScalingGroupCommand,
  SuspendProcessesCommand,
} from "@aws-sdk/client-auto-scaling";
import {
  CreateLaunchTemplateCommand,
  CreateSubnetCommand,
  CreateVpcCommand,
  DeleteLaunchTemplateCommand,
  DeleteSubnetCommand,
  DeleteVpcCommand,
  EC2Client,
  paginateDescribeInstances,
  TerminateInstancesCommand,
  waitUntilInstanceTerminated,
} from "@aws-sdk/client-ec2";
import { type AwsAccess, createAwsClient } from "../../../src/aws/client.ts";
import type { FleetsParts } from "../../../src/aws/fleets.ts";
import { awsTags } from "../../../src/aws/resources.ts";

type FleetName = "app" | "worker" | "controller";
const fleets: readonly FleetName[] = ["app", "worker", "controller"];

export interface FleetResources {
  readonly resources: FleetsParts["resources"];
  readonly vpcId: string;
  dispose(): Promise<void>;
}

/**
 * What a region's stack makes for its fleets, without the stack: a network of two zones, and for each fleet a launch
 * template with the user data and an Auto Scaling group that decides nothing.
 */
export async function makeFleetResources(options: {
  readonly access: AwsAccess;
  readonly prefix: string;
  readonly userData?: string;
}): Promise<FleetResources> {
  const { access, prefix, userData = "" } = options;
  const ec2 = createAwsClient(EC2Client, access);
  const autoScaling = createAwsClient(AutoScalingClient, access);
  // In the emulator machines get loopback addresses from it: each test has its own, also beside another test run.
  const network = `10.${randomInt(100, 250)}`;
  const { Vpc } = await ec2.send(new CreateVpcCommand({ CidrBlock: `${network}.0.0/16` }));
  const vpcId = Vpc!.VpcId!;
  const privateSubnets: Record<string, string> = {};
  for (const [index, zone] of ["a", "b"].entries()) {
    const { Subnet } = await ec2.send(
      new CreateSubnetCommand({
        VpcId: vpcId,
        CidrBlock: `${network}.${index}.0/24`,
        AvailabilityZone: `${access.region}${zone}`,
      }),
    );
    privateSubnets[zone] = Subnet!.SubnetId!;
  }
  const group = async (fleet: FleetName) => {
    const name = `${prefix}-${fleet}`;
    const { LaunchTemplate } = await ec2.send(
      new CreateLaunchTemplateCommand({
        LaunchTemplateName: name,
        LaunchTemplateData: {
          ImageId: "resolve:ssm:/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-arm64",
          InstanceType: "t4g.nano",
          UserData: Buffer.from(userData).toString("base64"),
          TagSpecifications: [
            {
              ResourceType: "instance",
              Tags: [
                { Key: "Name", Value: name },
                { Key: awsTags.prefix, Value: prefix },
              ],
            },
          ],
          MetadataOptions: { HttpTokens: "required", InstanceMetadataTags: "enabled" },
        },
      }),
    );
    await autoScaling.send(
      new CreateAutoScalingGroupCommand({
        AutoScalingGroupName: name,
        LaunchTemplate: { LaunchTemplateId: LaunchTemplate!.LaunchTemplateId!, Version: "$Latest" },
        MinSize: 0,
        MaxSize: 20,
        DesiredCapacity: 0,
        VPCZoneIdentifier: Object.values(privateSubnets).join(","),
      }),
    );
    await autoScaling.send(
      new SuspendProcessesCommand({
        AutoScalingGroupName: name,
        ScalingProcesses: ["Launch", "Terminate", "ReplaceUnhealthy", "AZRebalance"],
      }),
    );
    return { launchTemplateId: LaunchTemplate!.LaunchTemplateId!, autoScalingGroup: name };
  };
  const groups = {
    app: await group("app"),
    worker: await group("worker"),
    controller: await group("controller"),
  };
  return {
    resources: { prefix, region: access.region, privateSubnets, groups },
    vpcId,
    dispose: async () => {
      for (const fleet of fleets) {
        const { autoScalingGroup, launchTemplateId } = groups[fleet];
        await autoScaling.send(
          new DeleteAutoScalingGroupCommand({ AutoScalingGroupName: autoScalingGroup, ForceDelete: true }),
        );
        await ec2.send(new DeleteLaunchTemplateCommand({ LaunchTemplateId: launchTemplateId }));
      }
      await terminateAll(ec2, prefix);
      for (const SubnetId of Object.values(privateSubnets)) {
        await ec2.send(new DeleteSubnetCommand({ SubnetId }));
      }
      await ec2.send(new DeleteVpcCommand({ VpcId: vpcId }));
      ec2.destroy();
      autoScaling.destroy();
    },
  };
}

async function terminateAll(ec2: EC2Client, prefix: string): Promise<void> {
  const InstanceIds: string[] = [];
  const Filters = [{ Name: `tag:${awsTags.prefix}`, Values: [prefix] }];
  for await (const { Reservations } of paginateDescribeInstances({ client: ec2 }, { Filters })) {
    for (const { Instances } of Reservations ?? []) {
      for (const { InstanceId, State } of Instances ?? []) {
        if (InstanceId && State?.Name !== "terminated") InstanceIds.push(InstanceId);
      }
    }
  }
  if (InstanceIds.length === 0) return;
  await ec2.send(new TerminateInstancesCommand({ InstanceIds }));
  await waitUntilInstanceTerminated({ client: ec2, maxWaitTime: 600 }, { InstanceIds });
}
