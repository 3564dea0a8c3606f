import { CfnParameter } from "aws-cdk-lib";
import { CfnAutoScalingGroup } from "aws-cdk-lib/aws-autoscaling";
import { CfnLaunchTemplate } from "aws-cdk-lib/aws-ec2";
import { CfnInstanceProfile, CfnManagedPolicy, CfnRole } from "aws-cdk-lib/aws-iam";
import { awsTags } from "../resources.ts";
import type { ServerProgram } from "../user-data.ts";
import { sessionStatements } from "./permissions/session.ts";
import type { PolicyStatement } from "./permissions/statement.ts";
import { logicalId, type RowhouseStack } from "./stack.ts";

const rootVolumeGibibytes = 20;

/** Amazon Linux 2023 as it is at each deployment: which image that is, AWS publishes under this name. */
export function addImage(stack: RowhouseStack): string {
  return new CfnParameter(stack, "Image", {
    type: "AWS::SSM::Parameter::Value<AWS::EC2::Image::Id>",
    default: "/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-arm64",
    description: "Machine image of all servers",
  }).valueAsString;
}

export interface ServerOptions {
  readonly program: ServerProgram;
  readonly instanceType: string;
  readonly image: string;
  readonly userData: string;
  readonly securityGroupId: string;
  readonly statements: readonly PolicyStatement[];
  /** In a policy beside the role's own, which may have 10,240 characters. */
  readonly furtherStatements?: readonly PolicyStatement[];
}

/** A kind of server: the launch template, and the role that its program acts in. */
export interface Server {
  readonly program: ServerProgram;
  readonly launchTemplateId: string;
  readonly latestVersion: string;
  readonly roleArn: string;
}

export function addServer(stack: RowhouseStack, options: ServerOptions): Server {
  const { program } = options;
  const { role, profileArn } = addRole(stack, program, options.statements);
  if (options.furtherStatements?.length)
    new CfnManagedPolicy(stack, logicalId("Policy", program), {
      managedPolicyName: serverRoleName(stack, program),
      description: `What ${program} of ${stack.stackName} may do in other regions`,
      policyDocument: { Version: "2012-10-17", Statement: options.furtherStatements },
      roles: [role.ref],
    });
  const name = stack.named(program);
  const template = new CfnLaunchTemplate(stack, logicalId("LaunchTemplate", program), {
    launchTemplateName: name,
    launchTemplateData: {
      imageId: options.image,
      instanceType: options.instanceType,
      iamInstanceProfile: { arn: profileArn },
      securityGroupIds: [options.securityGroupId],
      userData: Buffer.from(options.userData).toString("base64"),
      metadataOptions: {
        httpEndpoint: "enabled",
        httpTokens: "required",
        // The program asks for itself; whatever would ask through it is a hop further.
        httpPutResponseHopLimit: 1,
        instanceMetadataTags: "enabled",
      },
      monitoring: { enabled: true },
      blockDeviceMappings: [
        {
          deviceName: "/dev/xvda",
          ebs: {
            volumeType: "gp3",
            volumeSize: rootVolumeGibibytes,
            encrypted: true,
            deleteOnTermination: true,
          },
        },
      ],
      tagSpecifications: ["instance", "volume"].map((resourceType) => ({
        resourceType,
        tags: [
          { key: "Name", value: name },
          { key: awsTags.prefix, value: stack.prefix },
        ],
      })),
    },
  });
  return {
    program,
    launchTemplateId: template.ref,
    latestVersion: template.attrLatestVersionNumber,
    roleArn: role.attrArn,
  };
}

function addRole(stack: RowhouseStack, program: ServerProgram, statements: readonly PolicyStatement[]) {
  const role = new CfnRole(stack, logicalId("Role", program), {
    roleName: serverRoleName(stack, program),
    description: `What ${program} of ${stack.stackName} may do`,
    assumeRolePolicyDocument: {
      Version: "2012-10-17",
      Statement: [{ Effect: "Allow", Principal: { Service: "ec2.amazonaws.com" }, Action: "sts:AssumeRole" }],
    },
    policies: [
      {
        policyName: program,
        policyDocument: { Version: "2012-10-17", Statement: [...statements, ...sessionStatements] },
      },
    ],
  });
  const profile = new CfnInstanceProfile(stack, logicalId("Profile", program), {
    instanceProfileName: serverRoleName(stack, program),
    roles: [role.ref],
  });
  return { role, profileArn: profile.attrArn };
}

/** Roles have no region, so their names say it. */
function serverRoleName(stack: RowhouseStack, program: ServerProgram): string {
  return program === "control-plane" ? stack.named(program) : stack.named(`${stack.at.region}-${program}`);
}

/** Group of a fleet, by name. */
export function groupName(stack: RowhouseStack, program: ServerProgram): string {
  return stack.named(program);
}

/** A fleet's group: empty, for the controller to attach servers to. */
export function addFleetGroup(
  stack: RowhouseStack,
  server: Server,
  options: { readonly subnets: readonly string[]; readonly maxSize: number },
): string {
  const { program, launchTemplateId, latestVersion } = server;
  const group = new CfnAutoScalingGroup(stack, logicalId("Group", program), {
    autoScalingGroupName: groupName(stack, program),
    minSize: "0",
    maxSize: String(options.maxSize),
    vpcZoneIdentifier: [...options.subnets],
    launchTemplate: { launchTemplateId, version: latestVersion },
    metricsCollection: [{ granularity: "1Minute" }],
    tags: [{ key: awsTags.fleet, value: program, propagateAtLaunch: true }],
  });
  // How many servers there are is the controller's to say; an update of the stack leaves it as it is.
  group.cfnOptions.updatePolicy = {
    autoScalingScheduledAction: { ignoreUnmodifiedGroupSizeProperties: true },
  };
  return group.ref;
}

/** The group of a program that there is one of: it is launched anew in any zone when it ends. */
export function addSingleGroup(
  stack: RowhouseStack,
  server: Server,
  options: { readonly subnets: readonly string[]; readonly targetGroupArn?: string },
): string {
  const { program, launchTemplateId, latestVersion } = server;
  const group = new CfnAutoScalingGroup(stack, logicalId("Group", program), {
    autoScalingGroupName: groupName(stack, program),
    minSize: "1",
    maxSize: "1",
    vpcZoneIdentifier: [...options.subnets],
    launchTemplate: { launchTemplateId, version: latestVersion },
    healthCheckType: "EC2",
    healthCheckGracePeriod: 120,
    metricsCollection: [{ granularity: "1Minute" }],
    ...(options.targetGroupArn === undefined ? {} : { targetGroupArns: [options.targetGroupArn] }),
  });
  // A changed template replaces the server. Two at once is what must not be.
  group.cfnOptions.updatePolicy = {
    autoScalingRollingUpdate: { minInstancesInService: 0, maxBatchSize: 1 },
  };
  return group.ref;
}
