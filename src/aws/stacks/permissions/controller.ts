import { awsNames, awsTags } from "../../resources.ts";
import type { RowhouseStack } from "../stack.ts";
import { instanceStatements, type RegionScope, secretArn } from "./instance.ts";
import { type PeersScope, peerStatements } from "./peers.ts";
import { recoveryStatements } from "./recovery.ts";
import { type PolicyStatement, statement } from "./statement.ts";

export interface ElsewhereScope extends PeersScope {
  /** The region's recovery region, if it has one. */
  readonly recovery: string | undefined;
}

export interface ControllerScope extends RegionScope {
  readonly controlRegion: string;
  /** Of the control plane, under which the directory's login is. */
  readonly globalKeyArn: string;
  readonly hostedZoneId: string;
  readonly targetGroupArn: string;
  /** Of the fleets app and worker. */
  readonly fleets: readonly {
    readonly launchTemplateId: string;
    readonly roleArn: string;
    readonly group: string;
  }[];
}

/** What a region's controller may do: its instances' work, and to make and heal what the region is made of. */
export function controllerStatements(scope: ControllerScope): PolicyStatement[] {
  return [
    ...instanceStatements(scope),
    ...storageStatements(scope),
    ...databaseStatements(scope),
    ...secretStatements(scope),
    ...fleetStatements(scope),
    ...trafficStatements(scope),
    ...workStatements(scope),
  ];
}

/** What it may do in other regions; empty for a region that is alone. */
export function controllerStatementsElsewhere(scope: ElsewhereScope): PolicyStatement[] {
  const { recovery } = scope;
  return [
    ...peerStatements(scope),
    ...(recovery === undefined ? [] : recoveryStatements({ ...scope, recovery })),
  ];
}

function storageStatements({ stack, bucket, keyArn, registryTable }: ControllerScope): PolicyStatement[] {
  return [
    statement(
      "Objects",
      ["s3:PutObject", "s3:DeleteObject", "s3:DeleteObjectVersion"],
      ["releases/*", "tenants/*", "backups/*", "imports/*", "closed/*"].map((key) =>
        stack.bucketArn(bucket, key),
      ),
    ),
    statement("KeyRotation", ["kms:RotateKeyOnDemand", "kms:ListKeyRotations"], [keyArn]),
    statement("RegistryDeletion", ["dynamodb:DeleteItem"], [stack.arn("dynamodb", `table/${registryTable}`)]),
  ];
}

function databaseStatements({ stack, keyArn }: ControllerScope): PolicyStatement[] {
  const { prefix } = stack;
  const rds = (kind: string) => stack.arn("rds", `${kind}:${prefix}-*`);
  return [
    statement(
      "Databases",
      [
        "rds:AddTagsToResource",
        "rds:CreateDBInstance",
        // Of the source: RDS asks here, too, who wants a replica elsewhere.
        "rds:CreateDBInstanceReadReplica",
        "rds:DeleteDBInstance",
        "rds:ModifyDBInstance",
        "rds:PromoteReadReplica",
        "rds:RebootDBInstance",
        "rds:RemoveTagsFromResource",
        "rds:StartDBInstance",
      ],
      ["db", "subgrp", "pg", "snapshot"].map(rds),
    ),
    // A listing of all is asked of every instance there is.
    statement("DatabaseListing", ["rds:DescribeDBInstances"], [stack.arn("rds", "db:*")]),
    statement("DatabaseKey", ["kms:CreateGrant"], [keyArn], {
      Bool: { "kms:GrantIsForAWSResource": "true" },
    }),
  ];
}

function secretStatements({ stack, controlRegion, globalKeyArn }: ControllerScope): PolicyStatement[] {
  const { prefix } = stack;
  const directoryLogin = awsNames.controlLogin(prefix, "rowhouse_directory");
  return [
    statement(
      "Logins",
      [
        "secretsmanager:CreateSecret",
        "secretsmanager:DeleteSecret",
        "secretsmanager:GetSecretValue",
        "secretsmanager:TagResource",
      ],
      [
        awsNames.controlLogin(prefix, "*"),
        awsNames.databaseSecret(prefix, "*"),
        awsNames.replicaSecret(prefix, "*", "*"),
      ].map((name) => stack.arn("secretsmanager", `secret:${name}`)),
    ),
    statement(
      "DirectoryLogin",
      ["secretsmanager:GetSecretValue"],
      [secretArn(stack, directoryLogin, controlRegion)],
    ),
    statement("DirectoryKey", ["kms:Decrypt"], [globalKeyArn], {
      StringEquals: {
        "kms:ViaService": ["secretsmanager", "dynamodb"].map(
          (service) => `${service}.${controlRegion}.amazonaws.com`,
        ),
      },
    }),
    statement(
      "DirectoryEndpoint",
      ["rds:DescribeDBInstances"],
      [stack.arn("rds", `db:${awsNames.database(prefix, "directory")}`, controlRegion)],
    ),
  ];
}

/** Servers are launched from the fleets' templates alone, and only those that have the prefix's tag are ended. */
function fleetStatements({ stack, fleets }: ControllerScope): PolicyStatement[] {
  const kinds = ["instance", "volume", "network-interface", "launch-template", "security-group", "subnet"];
  const launched = ["instance", "volume"].map((kind) => stack.arn("ec2", `${kind}/*`));
  const templates = fleets.map((fleet) => stack.arn("ec2", `launch-template/${fleet.launchTemplateId}`));
  return [
    statement(
      "Launch",
      ["ec2:RunInstances"],
      [...kinds.map((kind) => stack.arn("ec2", `${kind}/*`)), imageArn(stack)],
      { ArnEquals: { "ec2:LaunchTemplate": templates } },
    ),
    statement("TagLaunched", ["ec2:CreateTags"], launched, {
      StringEquals: { "ec2:CreateAction": "RunInstances" },
    }),
    statement(
      "PassRoles",
      ["iam:PassRole"],
      fleets.map(({ roleArn }) => roleArn),
      {
        StringEquals: { "iam:PassedToService": "ec2.amazonaws.com" },
      },
    ),
    statement("Terminate", ["ec2:TerminateInstances"], [stack.arn("ec2", "instance/*")], {
      StringEquals: { [`aws:ResourceTag/${awsTags.prefix}`]: stack.prefix },
    }),
    statement(
      "Groups",
      ["autoscaling:AttachInstances", "autoscaling:DetachInstances"],
      fleets.map(({ group }) => stack.arn("autoscaling", `autoScalingGroup:*:autoScalingGroupName/${group}`)),
    ),
    // These know no resources.
    statement("Look", ["ec2:DescribeInstances", "elasticloadbalancing:DescribeTargetHealth"], ["*"]),
  ];
}

/** Images are Amazon's, and their ARNs have no account. */
function imageArn(stack: RowhouseStack): string {
  return stack.arn("ec2", "image/*").replace(`:${stack.at.accountId}:`, "::");
}

function trafficStatements({ stack, targetGroupArn, hostedZoneId }: ControllerScope): PolicyStatement[] {
  return [
    statement(
      "Targets",
      ["elasticloadbalancing:RegisterTargets", "elasticloadbalancing:DeregisterTargets"],
      [targetGroupArn],
    ),
    statement(
      "Names",
      ["route53:ChangeResourceRecordSets", "route53:ListResourceRecordSets"],
      [stack.route53Arn(`hostedzone/${hostedZoneId}`)],
    ),
  ];
}

function workStatements({ stack }: ControllerScope): PolicyStatement[] {
  const { prefix } = stack;
  const domain = stack.arn("swf", `/domain/${awsNames.workflowDomain(prefix)}`);
  return [
    statement(
      "Workflows",
      [
        "swf:DescribeActivityType",
        "swf:DescribeDomain",
        "swf:UndeprecateDomain",
        "swf:DescribeWorkflowType",
        "swf:GetWorkflowExecutionHistory",
        "swf:ListClosedWorkflowExecutions",
        "swf:ListOpenWorkflowExecutions",
        "swf:PollForActivityTask",
        "swf:PollForDecisionTask",
        "swf:RecordActivityTaskHeartbeat",
        "swf:RegisterActivityType",
        "swf:RegisterWorkflowType",
        "swf:UndeprecateActivityType",
        "swf:UndeprecateWorkflowType",
        "swf:RespondActivityTaskCompleted",
        "swf:RespondActivityTaskFailed",
        "swf:RespondDecisionTaskCompleted",
        "swf:StartWorkflowExecution",
      ],
      [domain],
    ),
    // Before there is the domain, there is nothing to name.
    statement("WorkflowDomain", ["swf:RegisterDomain"], ["*"]),
    statement(
      "QueuesThemselves",
      ["sqs:CreateQueue", "sqs:SetQueueAttributes", "sqs:TagQueue"],
      [stack.arn("sqs", `${prefix}-*`)],
    ),
    statement("Suppression", ["ses:PutSuppressedDestination", "ses:DeleteSuppressedDestination"], ["*"]),
  ];
}
