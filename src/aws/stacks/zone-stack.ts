import { CfnHostedZone } from "aws-cdk-lib/aws-route53";
import type { Construct } from "constructs";
import { awsNames } from "../resources.ts";
import type { Layout } from "./layout.ts";
import { RowhouseStack } from "./stack.ts";
import { retain } from "./storage.ts";

/**
 * The domain's hosted zone, by itself: only when the domain is delegated to its name servers, certificates can be issued,
 * and every other stack would wait for them. Route 53 tells which name servers those are.
 */
export function addZoneStack(app: Construct, { config, prefix, accountId }: Layout): RowhouseStack {
  const stack = new RowhouseStack(app, {
    stackName: awsNames.zoneStack(prefix),
    region: config.aws.controlRegion,
    prefix,
    accountId,
    description: `Rowhouse: hosted zone of ${prefix}`,
  });
  const zone = new CfnHostedZone(stack, "HostedZone", {
    name: config.domain,
    hostedZoneConfig: { comment: `Rowhouse: ${prefix}` },
  });
  retain(zone);
  stack.outputs({ HostedZoneId: zone.ref });
  return stack;
}
