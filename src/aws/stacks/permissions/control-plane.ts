import { awsNames } from "../../resources.ts";
import type { RegionScope } from "./instance.ts";
import { secretArn } from "./instance.ts";
import { type PolicyStatement, statement } from "./statement.ts";

export interface ControlPlaneScope extends RegionScope {
  /** Regions whose registry says where their controller is. */
  readonly regions: readonly string[];
  /** Name of the registry's table in each of them. */
  readonly regionRegistryTable: string;
}

/** What the control plane may do. It reaches no data of a tenant: of the regions it sees where their controllers are. */
export function controlPlaneStatements(scope: ControlPlaneScope): PolicyStatement[] {
  const { stack, bucket, keyArn, registryTable, regions } = scope;
  const { prefix } = stack;
  return [
    statement("Software", ["s3:GetObject"], [stack.bucketArn(bucket, "rowhouse/*")]),
    statement("Listing", ["s3:ListBucket"], [stack.bucketArn(bucket)]),
    statement("Key", ["kms:Decrypt", "kms:GenerateDataKey"], [keyArn]),
    statement(
      "Registry",
      ["dynamodb:GetItem", "dynamodb:UpdateItem", "dynamodb:DeleteItem", "dynamodb:Query"],
      [stack.arn("dynamodb", `table/${registryTable}`)],
    ),
    statement(
      "RegionsRegistries",
      ["dynamodb:GetItem", "dynamodb:Query"],
      regions.map((region) => stack.arn("dynamodb", `table/${scope.regionRegistryTable}`, region)),
    ),
    // The regions' keys are known by their alias alone; the control plane is there before they are.
    statement(
      "RegionsKeys",
      ["kms:Decrypt"],
      regions.map((region) => stack.arn("kms", "key/*", region)),
      {
        StringEquals: { "kms:ViaService": regions.map((region) => `dynamodb.${region}.amazonaws.com`) },
        "ForAnyValue:StringEquals": { "kms:ResourceAliases": [awsNames.keyAlias(prefix)] },
      },
    ),
    statement("DirectoryListing", ["rds:DescribeDBInstances"], [stack.arn("rds", "db:*")]),
    statement(
      "Tokens",
      ["secretsmanager:GetSecretValue"],
      [
        awsNames.internalToken(prefix),
        awsNames.operatorToken(prefix),
        awsNames.databaseSecret(prefix, "directory"),
      ].map((name) => secretArn(stack, name)),
    ),
    statement(
      "Logins",
      ["secretsmanager:CreateSecret", "secretsmanager:GetSecretValue", "secretsmanager:TagResource"],
      [stack.arn("secretsmanager", `secret:${awsNames.controlLogin(prefix, "*")}`)],
    ),
  ];
}
