import {
  CfnOutput,
  CfnParameter,
  type IStackSynthesizer,
  LegacyStackSynthesizer,
  Stack,
  Tags,
} from "aws-cdk-lib";
import type { Construct } from "constructs";
import { awsTags } from "../resources.ts";
import type { ParameterSource, StackLocation } from "./template.ts";

export interface StackOptions extends StackLocation {
  readonly prefix: string;
  readonly accountId: string;
  readonly description: string;
}

/**
 * A stack whose template stands by itself: it has no assets, asks nothing of the account, and needs no bootstrap. What is
 * in it are CloudFormation's own types, straight below the stack, so that the logical ids are the names in the code and
 * a refactoring can't replace a database.
 */
export class RowhouseStack extends Stack {
  readonly prefix: string;
  /** Sources of the parameters without a default. */
  readonly inputs: Record<string, ParameterSource> = {};
  /** The account and region as they are, where `account` and `region` may be placeholders. */
  readonly at: { readonly accountId: string; readonly region: string };

  constructor(scope: Construct, options: StackOptions) {
    const { stackName, region, prefix, accountId, description } = options;
    super(scope, `${stackName}.${region}`, {
      stackName,
      description,
      env: { account: accountId, region },
      // Its optional properties are typed laxer than the interface that it implements.
      synthesizer: new LegacyStackSynthesizer() as IStackSynthesizer,
      analyticsReporting: false,
    });
    this.prefix = prefix;
    this.at = { accountId, region };
    // A deployment gives the stack the same tag, and CloudFormation passes it on to the key as well: moto passes no tags
    // on, and fails to make a key that has any.
    Tags.of(this).add(awsTags.prefix, prefix, { excludeResourceTypes: ["AWS::KMS::Key"] });
  }

  /** A name in the account that begins with the prefix. */
  named(name: string): string {
    return `${this.prefix}-${name}`;
  }

  /** ARN of something in this account; in this stack's region unless another is named (empty for global services). */
  arn(service: string, resource: string, region: string = this.at.region): string {
    return `arn:${partitionOf(this.at.region)}:${service}:${region}:${this.at.accountId}:${resource}`;
  }

  /** ARN of a bucket, or of what is in it; buckets' ARNs have neither region nor account. */
  bucketArn(bucket: string, key?: string): string {
    return `arn:${partitionOf(this.at.region)}:s3:::${bucket}${key === undefined ? "" : `/${key}`}`;
  }

  /** ARN of something of Route 53, which has neither region nor account. */
  route53Arn(resource: string): string {
    return `arn:${partitionOf(this.at.region)}:route53:::${resource}`;
  }

  /** A value that the deployment brings: the parameter's, in the template. */
  input(key: string, source: ParameterSource): string {
    this.inputs[key] = source;
    return new CfnParameter(this, key, { type: "String" }).valueAsString;
  }

  outputs(values: Readonly<Record<string, string>>): void {
    for (const [key, value] of Object.entries(values)) {
      new CfnOutput(this, `Output${key}`, { value }).overrideLogicalId(key);
    }
  }
}

function partitionOf(region: string): string {
  if (region.startsWith("cn-")) return "aws-cn";
  return region.startsWith("us-gov-") ? "aws-us-gov" : "aws";
}

/** Logical ids have letters and digits only: `("Subnet", "private", "a")` is `SubnetPrivateA`. */
export function logicalId(...words: readonly string[]): string {
  return words
    .flatMap((word) => word.split(/[^A-Za-z0-9]+/))
    .map((word) => word.charAt(0).toUpperCase() + word.slice(1))
    .join("");
}
