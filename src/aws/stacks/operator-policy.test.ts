import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { allTemplates, exampleTemplates } from "../../../test/support/aws/example-templates.ts";
import { runPython } from "../../../test/support/aws/run-python.ts";

interface Statement {
  readonly Sid: string;
  readonly Effect: string;
  readonly Action: string | string[];
  readonly Resource: string | string[];
  readonly Condition?: object;
}

const text = await readFile(new URL("../../../docs/aws/operator-policy.json", import.meta.url), "utf8");
const { Statement: statements } = JSON.parse(text) as { Statement: Statement[] };
const allowed = statements.flatMap(({ Action }) => Action);

/** IAM's pattern as an expression: `*` is any text. */
const patterns = allowed.map((action) => new RegExp(`^${action.replaceAll("*", ".*")}$`));

test("the operator's policy fits into a managed policy", () => {
  expect(text.replaceAll(/\s/g, "").length).toBeLessThanOrEqual(6_144);
});

test("it allows no service's every action on everything", () => {
  for (const { Sid, Effect, Action, Resource } of statements) {
    expect(Effect).toBe("Allow");
    expect([Action].flat()).not.toContain("*");
    if (![Resource].flat().includes("*")) continue;
    for (const action of [Action].flat()) expect(action, Sid).not.toMatch(/:\*$/);
  }
});

test("what has a name in IAM is limited to the prefix and the account", () => {
  for (const { Resource } of statements) {
    for (const resource of [Resource].flat()) {
      if (resource === "*" || /aws-service-role|default\.valkey/.test(resource)) continue;
      expect(resource).toMatch(/PREFIX/);
      if (!resource.startsWith("arn:aws:s3:::")) expect(resource).toContain(":ACCOUNT:");
    }
  }
});

/** What the handlers of the types could also do, for properties that no template has. */
const unusedProperties =
  /^(iam:(Attach|Detach)(Group|User)Policy|autoscaling:(?!Create|Delete|Update|Describe)|ec2:(.*(Vpn|EncryptionControl|AddressTransfer).*)|cloudfront:.*(ConnectionGroup|VpcOrigin)|route53:(AssociateVPC|.*QueryLogging|UpdateHostedZoneFeatures)|ec2:ModifyVpcPeeringConnectionOptions)/;

test("it allows what CloudFormation's own handlers need to make and remove each type of the templates", async () => {
  const types = new Set(
    allTemplates(exampleTemplates(2)).flatMap(({ template }) =>
      Object.values(template.Resources).map(({ Type }) => Type),
    ),
  );
  const script = fileURLToPath(new URL("../../../test/support/aws/handler_permissions.py", import.meta.url));
  const permissions = JSON.parse(await runPython(await readFile(script, "utf8"))) as Record<string, string[]>;
  const missing: string[] = [];
  for (const type of types) {
    const needed = permissions[type] ?? [];
    expect(needed.length, `${type} is in the linter's schemas`).toBeGreaterThan(0);
    const service = needed.map((action) => action.split(":")[0]).find((name) => name === iamService(type));
    expect(service, type).toBeDefined();
    for (const action of needed) {
      if (!action.startsWith(`${service}:`) || unusedProperties.test(action)) continue;
      if (!patterns.some((pattern) => pattern.test(action))) missing.push(`${type} ${action}`);
    }
  }
  expect(missing).toEqual([]);
}, 60_000);

/** `AWS::ElasticLoadBalancingV2::Listener` is `elasticloadbalancing`'s. */
function iamService(type: string): string {
  const service = type.split("::")[1]!.toLowerCase();
  return { certificatemanager: "acm", elasticloadbalancingv2: "elasticloadbalancing" }[service] ?? service;
}
