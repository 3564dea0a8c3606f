import { glob, readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { exampleTemplates } from "../../../test/support/aws/example-templates.ts";
import type { PolicyStatement } from "./permissions/statement.ts";
import type { Template } from "./template.ts";

const sources = fileURLToPath(new URL("..", import.meta.url));

/** IAM's name of a service, where it is not that of the SDK's client. */
const services: Readonly<Record<string, string>> = {
  "auto-scaling": "autoscaling",
  "elastic-load-balancing-v2": "elasticloadbalancing",
  "route-53": "route53",
  "secrets-manager": "secretsmanager",
  sesv2: "ses",
};

/** Calls that IAM knows by the name of another action, or lets everybody make. */
const actionsOf: Readonly<Record<string, readonly string[]>> = {
  "s3:HeadObject": ["s3:GetObject"],
  "s3:ListObjectsV2": ["s3:ListBucket"],
  "s3:ListObjectVersions": ["s3:ListBucketVersions"],
  "s3:DeleteObjects": ["s3:DeleteObject", "s3:DeleteObjectVersion"],
  "sts:GetCallerIdentity": [],
};

/** What a call needs besides the action of its own name. */
const implied: Readonly<Record<string, readonly string[]>> = {
  "ec2:RunInstances": ["ec2:CreateTags", "iam:PassRole"],
  "rds:CreateDBInstance": ["rds:AddTagsToResource", "kms:CreateGrant"],
  "rds:CreateDBInstanceReadReplica": ["rds:AddTagsToResource", "kms:CreateGrant", "kms:DescribeKey"],
  "s3:GetObject": ["s3:GetObjectVersion"],
  "s3:PutObject": ["s3:AbortMultipartUpload", "s3:ListMultipartUploadParts"],
  "secretsmanager:CreateSecret": ["secretsmanager:TagResource"],
  // Of a message that comes as it is to be sent.
  "ses:SendEmail": ["ses:SendRawEmail"],
  "sqs:CreateQueue": ["sqs:TagQueue"],
};

/** Actions that the adapters' calls need, by what they import of the SDK. */
async function neededActions(): Promise<Set<string>> {
  const needed = new Set<string>();
  for await (const file of glob("**/*.ts", { cwd: sources })) {
    // The deployment runs as the operator.
    if (/\.test\.ts$|^stacks|^cloudformation\/|^ses\/identity/.test(file)) continue;
    const text = await readFile(`${sources}/${file}`, "utf8");
    for (const [, names = "", client = ""] of text.matchAll(
      /import \{([^}]*)\} from "@aws-sdk\/client-([\w-]+)"/g,
    )) {
      for (const [, paginated, called] of names.matchAll(/\b(?:paginate(\w+)|(\w+)Command)\b/g)) {
        const call = `${services[client] ?? client}:${paginated ?? called}`;
        for (const action of actionsOf[call] ?? [call]) {
          for (const each of [action, ...(implied[action] ?? [])]) needed.add(each);
        }
      }
    }
  }
  return needed;
}

/** All statements of a role: its own, and those of the policy beside it. */
function statementsOf({ template }: Template, role: string): PolicyStatement[] {
  const { Policies } = template.Resources[role]!.Properties as {
    Policies: { PolicyDocument: { Statement: PolicyStatement[] } }[];
  };
  const beside = Object.values(template.Resources).filter(
    ({ Type, Properties }) =>
      Type === "AWS::IAM::ManagedPolicy" && JSON.stringify(Properties?.Roles) === `[{"Ref":"${role}"}]`,
  );
  const further = beside.map(({ Properties }) => Properties as (typeof Policies)[number]);
  return [...Policies, ...further].flatMap(({ PolicyDocument }) => PolicyDocument.Statement);
}

function grantedActions(template: Template, role: string): Set<string> {
  return new Set(statementsOf(template, role).flatMap(({ Action }) => Action));
}

const templates = exampleTemplates(2);
const region = templates.regions["eu-west-1"]!;
const session = /^(ssm|ssmmessages):/;

test("a controller may do what the adapters call, and nothing else", async () => {
  const granted = [...grantedActions(region, "RoleController")].filter((action) => !session.test(action));
  expect(granted.toSorted()).toEqual([...(await neededActions())].toSorted());
});

test("a controller of a region that is alone may do nothing elsewhere", () => {
  const { template } = exampleTemplates(1).regions["eu-west-1"]!;
  expect(Object.values(template.Resources).map(({ Type }) => Type)).not.toContain("AWS::IAM::ManagedPolicy");
});

test("in its recovery region a controller touches backups, exports, files and replicas, and opens no secret of it", () => {
  const statements = statementsOf(region, "RoleController");
  const there = statements.filter(({ Resource }) => JSON.stringify(Resource).includes("eu-central-1"));
  const resourcesOf = (pattern: RegExp) =>
    there.flatMap(({ Action, Resource }) => (Action.some((each) => pattern.test(each)) ? Resource : []));
  expect(new Set(resourcesOf(/^s3:(Put|Delete)/))).toEqual(
    new Set(
      ["tenants", "backups", "closed"].map(
        (key) => `arn:aws:s3:::bookshop-eu-central-1-123456789012/${key}/*`,
      ),
    ),
  );
  expect(resourcesOf(/^rds:Delete/)).toEqual(["arn:aws:rds:eu-central-1:123456789012:db:bookshop-replica-*"]);
  expect(resourcesOf(/^rds:(Modify|Promote)/)).toEqual([]);
  expect(resourcesOf(/^secretsmanager:/)).toEqual([
    "arn:aws:secretsmanager:eu-central-1:123456789012:secret:bookshop/replicas/eu-west-1/*",
  ]);
  for (const { Action, Condition } of there) {
    if (Action.includes("kms:Decrypt")) expect(Condition?.StringEquals).toHaveProperty(["kms:ViaService"]);
  }
});

test("policies stay within what IAM allows", () => {
  const limits: Record<string, number> = { "AWS::IAM::Role": 10_240, "AWS::IAM::ManagedPolicy": 6_144 };
  for (const { template } of Object.values(exampleTemplates(8).regions)) {
    for (const [name, { Type, Properties }] of Object.entries(template.Resources)) {
      const limit = limits[Type];
      if (limit === undefined) continue;
      const { Policies, PolicyDocument } = Properties as { Policies?: object; PolicyDocument?: object };
      // References become longer than they are here, by a few letters each.
      expect(JSON.stringify(Policies ?? PolicyDocument).length, name).toBeLessThan(limit - 200);
    }
  }
});

test("instances and control plane may do a part of it", () => {
  const controller = grantedActions(region, "RoleController");
  for (const [template, role] of [
    [region, "RoleApp"],
    [region, "RoleWorker"],
    [templates.global, "RoleControlPlane"],
  ] as const) {
    const granted = grantedActions(template, role);
    expect(granted.size).toBeLessThan(controller.size);
    expect(
      [...granted].filter((action) => !controller.has(action)),
      role,
    ).toEqual([]);
  }
});

test("an instance can neither make nor end servers, databases or logins", () => {
  for (const action of grantedActions(region, "RoleApp"))
    expect(action).not.toMatch(/^(ec2|rds:(?!Describe)|iam|autoscaling|route53|secretsmanager:(?!Get))/);
});
