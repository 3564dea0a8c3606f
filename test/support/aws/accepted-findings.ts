/** What a rule of cdk-nag says, and why it stays as it is. */
export interface AcceptedFinding {
  readonly rule: RegExp;
  /** Stack and logical id, as in `bookshop-eu-west-1/Cache`. */
  readonly resource: RegExp;
  readonly reason: string;
}

const iam = (finding: string): RegExp => new RegExp(`^AwsSolutions-IAM5\\[Resource::${finding}\\]$`);
const arn = (rest: string): RegExp => iam(`arn:aws:${rest}`);
const place = "[a-z0-9-]+:123456789012";

/** The wildcards in the roles' policies; every action is named in full. */
const wildcards: readonly AcceptedFinding[] = [
  {
    rule: arn("s3:::bookshop-[a-z0-9-]+/(rowhouse|releases|tenants|backups|imports|closed)/\\*"),
    resource: /\/(Role(App|Worker|Controller|ControlPlane|Replication)|PolicyController)$/,
    reason: "All objects below one folder of the own bucket, or of the recovery region's.",
  },
  {
    rule: arn(`kms:${place}:key/\\*`),
    resource: /\/(Role(ControlPlane|Replication)|PolicyController)$/,
    reason:
      "A key of another region, whose id is not known here: conditions ask for its alias and its service.",
  },
  {
    rule: arn(`rds:${place}:(db|subgrp|pg|snapshot):bookshop-(replica-)?\\*`),
    resource: /\/(Role(App|Worker|Controller)|PolicyController)$/,
    reason: "Database servers come with tenants; their names begin with the prefix.",
  },
  {
    rule: arn(`rds:${place}:db:\\*`),
    resource: /\/(Role(Controller|ControlPlane)|PolicyController)$/,
    reason: "A listing of database servers is asked of all there are; it only reads.",
  },
  {
    rule: arn(
      `secretsmanager:${place}:secret:bookshop/(control|databases|replicas/eu-[a-z]+-1|replicas/\\*)/\\*`,
    ),
    resource: /\/(Role(Controller|ControlPlane)|PolicyController)$/,
    reason: "Logins that the program itself makes; their names begin with the prefix.",
  },
  {
    rule: arn(`sqs:${place}:bookshop-\\*`),
    resource: /\/Role(App|Worker|Controller)$/,
    reason: "Queues come with what needs them; their names begin with the prefix.",
  },
  {
    rule: arn(`ses:${place}:identity/\\*`),
    resource: /\/Role(App|Worker|Controller)$/,
    reason: "Tenants send under domains of their own.",
  },
  {
    rule: arn("ec2:[a-z0-9-]+:(123456789012)?:[a-z-]+/\\*"),
    resource: /\/RoleController$/,
    reason:
      "What is launched has no id before. A condition asks for the fleets' launch templates, or for the prefix's tag.",
  },
  {
    rule: arn(`autoscaling:${place}:autoScalingGroup:\\*:autoScalingGroupName/bookshop-(app|worker)`),
    resource: /\/RoleController$/,
    reason: "The wildcard stands for the group's random id; its name is given.",
  },
  {
    rule: iam("\\*"),
    resource: /\/Role(App|Worker|Controller|ControlPlane)$/,
    reason:
      "Actions that know no resources: Session Manager's, listings, SWF's first domain, SES's suppression list.",
  },
];

/** Findings that were looked at, one by one. */
export const acceptedFindings: readonly AcceptedFinding[] = [
  ...wildcards,
  {
    rule: /^AwsSolutions-EC23$/,
    resource: /\/AllowBalancer(Https|Http)$/,
    reason: "Browsers are everywhere: these two ports of the balancers are the only ones that are open.",
  },
  {
    rule: /^AwsSolutions-RDS10$/,
    resource: /\/Database$/,
    reason: "Deletion protection is on by default; a parameter lifts it when the region is to be deleted.",
  },
  {
    rule: /^AwsSolutions-RDS11$/,
    resource: /\/Database$/,
    reason: "Another port hides nothing: the security group lets servers in and nobody else.",
  },
  {
    rule: /^AwsSolutions-SMG4$/,
    resource: /\/(DatabaseSecret|InternalToken|OperatorToken)$/,
    reason:
      "Rotation would need a function in the network with every administrator's login, and drop connections.",
  },
  {
    rule: /^AwsSolutions-AS3$/,
    resource: /\/Group(App|Worker|Controller|ControlPlane)$/,
    reason:
      "The controller launches and ends servers, and tells of it; the balancer's alarms see what is missing.",
  },
  {
    rule: /^AwsSolutions-AEC6$/,
    resource: /\/Cache$/,
    reason:
      "Servers of the region alone reach it, by TLS; a password would be on each of them, for the same callers.",
  },
  {
    rule: /^AwsSolutions-S1$/,
    resource: /^bookshop-edge\/LogBucket$/,
    reason: "It is the bucket for logs of access; logging access to it would log itself.",
  },
  {
    rule: /^AwsSolutions-CFR1$/,
    resource: /^bookshop-edge\/Distribution$/,
    reason: "Which countries may sign up is the application's to say.",
  },
];
