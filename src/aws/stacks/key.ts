import { CfnDeletionPolicy } from "aws-cdk-lib";
import { CfnAlias, CfnKey } from "aws-cdk-lib/aws-kms";
import { awsNames } from "../resources.ts";
import type { RowhouseStack } from "./stack.ts";

/** Services that publish to topics under the key, on behalf of this account only. */
const services = ["cloudwatch.amazonaws.com", "events.rds.amazonaws.com"];

/** The key that all of a region's data is under. Who may use it besides the services, the roles' policies say. */
export function addKey(stack: RowhouseStack, alias: string): string {
  const key = new CfnKey(stack, "Key", {
    description: `Data of ${stack.stackName}`,
    enableKeyRotation: true,
    pendingWindowInDays: 30,
    keyPolicy: {
      Version: "2012-10-17",
      Statement: [
        {
          Sid: "AccountDecides",
          Effect: "Allow",
          Principal: { AWS: stack.arn("iam", "root", "") },
          Action: "kms:*",
          Resource: "*",
        },
        {
          Sid: "Topics",
          Effect: "Allow",
          Principal: { Service: services },
          Action: ["kms:Decrypt", "kms:GenerateDataKey*"],
          Resource: "*",
          Condition: { StringEquals: { "aws:SourceAccount": stack.at.accountId } },
        },
      ],
    },
  });
  key.cfnOptions.deletionPolicy = CfnDeletionPolicy.RETAIN;
  key.cfnOptions.updateReplacePolicy = CfnDeletionPolicy.RETAIN;
  new CfnAlias(stack, "KeyAlias", { aliasName: awsNames.keyAlias(alias), targetKeyId: key.ref });
  return key.attrArn;
}
