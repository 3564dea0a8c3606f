import { CfnSecurityGroup, CfnSecurityGroupIngress } from "aws-cdk-lib/aws-ec2";
import { logicalId, type RowhouseStack } from "./stack.ts";

export const postgresPort = 5432;
export const cachePort = 6379;

/** A tier may speak to everything outside, or to nobody; what it may be spoken to is said by {@link allow}. */
export function addSecurityGroup(
  stack: RowhouseStack,
  options: {
    readonly name: string;
    readonly vpcId: string;
    readonly description: string;
    /** Where it may open connections to. */
    readonly outwards: "anywhere" | "nowhere" | { readonly cidr: string; readonly port: number };
  },
): string {
  const { name, outwards } = options;
  const group = new CfnSecurityGroup(stack, logicalId("SecurityGroup", name), {
    groupName: stack.named(name),
    groupDescription: options.description,
    vpcId: options.vpcId,
    securityGroupEgress: [egress(outwards)],
    tags: [{ key: "Name", value: stack.named(name) }],
  });
  return group.attrGroupId;
}

/** Who may reach a group: another group, or the addresses of a block. */
type Source = { readonly group: string } | { readonly cidr: string };

/** Lets a source in at a port. */
export function allow(
  stack: RowhouseStack,
  id: string,
  rule: {
    readonly to: string;
    readonly port: number;
    readonly from: Source;
    readonly description: string;
  },
): void {
  const { to, port, from, description } = rule;
  new CfnSecurityGroupIngress(stack, logicalId("Allow", id), {
    groupId: to,
    ipProtocol: "tcp",
    fromPort: port,
    toPort: port,
    description,
    ...("group" in from ? { sourceSecurityGroupId: from.group } : { cidrIp: from.cidr }),
  });
}

/** Without any rule a group may speak to everybody: a rule that fits no packet is what "nobody" is written as. */
function egress(outwards: "anywhere" | "nowhere" | { readonly cidr: string; readonly port: number }) {
  if (outwards === "anywhere")
    return {
      cidrIp: "0.0.0.0/0",
      ipProtocol: "-1",
      description: "Services of AWS, and what applications call",
    };
  if (outwards === "nowhere")
    return {
      cidrIp: "255.255.255.255/32",
      ipProtocol: "icmp",
      fromPort: 252,
      toPort: 86,
      description: "Nobody",
    };
  const { cidr, port } = outwards;
  return { cidrIp: cidr, ipProtocol: "tcp", fromPort: port, toPort: port, description: "Its targets" };
}
