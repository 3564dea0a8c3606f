import { glob, readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { exampleTemplates } from "../../../test/support/aws/example-templates.ts";
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

function grantedActions({ template }: Template, role: string): Set<string> {
  const { Policies } = template.Resources[role]!.Properties as {
    Policies: { PolicyDocument: { Statement: { Action: string | string[] }[] } }[];
  };
  return new Set(
    Policies.flatMap(({ PolicyDocument }) => PolicyDocument.Statement.flatMap(({ Action }) => Action)),
  );
}

const templates = exampleTemplates(1);
const region = templates.regions["eu-west-1"]!;
const session = /^(ssm|ssmmessages):/;

test("a controller may do what the adapters call, and nothing else", async () => {
  const granted = [...grantedActions(region, "RoleController")].filter((action) => !session.test(action));
  expect(granted.toSorted()).toEqual([...(await neededActions())].toSorted());
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
