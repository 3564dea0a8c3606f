import { CfnRoute, CfnVPCPeeringConnection } from "aws-cdk-lib/aws-ec2";
import type { Construct } from "constructs";
import { awsNames, vpcCidr } from "../resources.ts";
import { controlCidr } from "./address-plan.ts";
import type { Layout } from "./layout.ts";
import { allow, postgresPort } from "./security-groups.ts";
import { logicalId, RowhouseStack } from "./stack.ts";
import type { StackLocation } from "./template.ts";

export interface PeeringOptions {
  readonly region: string;
  readonly regionStack: StackLocation;
  readonly globalStack: StackLocation;
}

/** The region's end: asks for the connection, and leads the controllers to the control plane. */
export function addPeeringRequest(app: Construct, layout: Layout, options: PeeringOptions): RowhouseStack {
  const { config, prefix, accountId } = layout;
  const { region, regionStack, globalStack } = options;
  const { controlRegion } = config.aws;
  const stack = new RowhouseStack(app, {
    stackName: awsNames.peeringStack(prefix),
    region,
    prefix,
    accountId,
    description: `Rowhouse: way from ${region} to the control plane of ${prefix}`,
  });
  const connection = new CfnVPCPeeringConnection(stack, "Connection", {
    vpcId: stack.input("VpcId", { ...regionStack, output: "VpcId" }),
    peerVpcId: stack.input("ControlVpcId", { ...globalStack, output: "VpcId" }),
    ...(controlRegion === region ? {} : { peerRegion: controlRegion }),
  });
  for (const zone of config.regions[region]?.zones ?? []) {
    const table = logicalId("ControlRouteTable", zone);
    new CfnRoute(stack, logicalId("Route", zone), {
      routeTableId: stack.input(table, { ...regionStack, output: table }),
      destinationCidrBlock: vpcCidr(0),
      vpcPeeringConnectionId: connection.ref,
    });
  }
  stack.outputs({ ConnectionId: connection.ref });
  return stack;
}

/** The control plane's end: leads it to the region's controllers, and lets those reach the directory. */
export function addPeeringAccept(
  app: Construct,
  layout: Layout,
  options: PeeringOptions & { readonly request: StackLocation },
): RowhouseStack {
  const { config, prefix, accountId, networks } = layout;
  const { region, globalStack, request } = options;
  const { controlRegion } = config.aws;
  const stack = new RowhouseStack(app, {
    stackName: awsNames.peeringAcceptStack(prefix, region),
    region: controlRegion,
    prefix,
    accountId,
    description: `Rowhouse: way from the control plane of ${prefix} to ${region}`,
  });
  const vpcPeeringConnectionId = stack.input("ConnectionId", { ...request, output: "ConnectionId" });
  const controllers = controlCidr(networks[region] ?? 0);
  const zones = config.regions[controlRegion]?.zones ?? [];
  for (const table of [...zones.map((zone) => logicalId("ControlRouteTable", zone)), "DataRouteTable"]) {
    new CfnRoute(stack, `Through${table}`, {
      routeTableId: stack.input(table, { ...globalStack, output: table }),
      destinationCidrBlock: controllers,
      vpcPeeringConnectionId,
    });
  }
  allow(stack, "directory-from-controllers", {
    to: stack.input("DirectorySecurityGroup", { ...globalStack, output: "DirectorySecurityGroup" }),
    port: postgresPort,
    from: { cidr: controllers },
    description: `Controllers of ${region}`,
  });
  return stack;
}
