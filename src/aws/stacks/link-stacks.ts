import { CfnRoute, CfnVPCPeeringConnection } from "aws-cdk-lib/aws-ec2";
import type { Construct } from "constructs";
import { awsNames, controllerPort } from "../resources.ts";
import { controlCidr, dataCidr } from "./address-plan.ts";
import type { Layout } from "./layout.ts";
import { allow, postgresPort } from "./security-groups.ts";
import { logicalId, RowhouseStack } from "./stack.ts";
import type { StackLocation } from "./template.ts";

export interface LinkOptions {
  /** The region that the stack is in. */
  readonly region: string;
  readonly other: string;
}

/** Two regions' ways to each other, whatever their laws: a customer may agree to move. The first one asks for it. */
export function linkedPairs(regions: readonly string[]): readonly (readonly [string, string])[] {
  const sorted = regions.toSorted();
  return sorted.flatMap((first, index) => sorted.slice(index + 1).map((second) => [first, second] as const));
}

/** The end that asks for the connection. */
export function addLinkRequest(app: Construct, layout: Layout, options: LinkOptions): RowhouseStack {
  const { region, other } = options;
  const stack = linkStack(app, layout, options);
  const connection = new CfnVPCPeeringConnection(stack, "Connection", {
    vpcId: stack.input("VpcId", { ...regionStack(layout, region), output: "VpcId" }),
    peerVpcId: stack.input("OtherVpcId", { ...regionStack(layout, other), output: "VpcId" }),
    peerRegion: other,
  });
  addWay(stack, layout, { ...options, connection: connection.ref });
  stack.outputs({ ConnectionId: connection.ref });
  return stack;
}

/** The other end. */
export function addLinkAccept(
  app: Construct,
  layout: Layout,
  options: LinkOptions & { readonly request: StackLocation },
): RowhouseStack {
  const stack = linkStack(app, layout, options);
  const connection = stack.input("ConnectionId", { ...options.request, output: "ConnectionId" });
  addWay(stack, layout, { ...options, connection });
  return stack;
}

function linkStack(app: Construct, layout: Layout, { region, other }: LinkOptions): RowhouseStack {
  const { prefix, accountId } = layout;
  return new RowhouseStack(app, {
    stackName: awsNames.linkStack(prefix, other),
    region,
    prefix,
    accountId,
    description: `Rowhouse: way of ${prefix} from ${region} to ${other}`,
  });
}

function regionStack({ prefix }: Layout, region: string): StackLocation {
  return { stackName: awsNames.regionStack(prefix, region), region };
}

/**
 * Controllers get to the other's controllers and databases, and answers get back; what tenants' requests pass through
 * has no way there. In here the other's controllers are let in, and nobody else of theirs.
 */
function addWay(
  stack: RowhouseStack,
  layout: Layout,
  { region, other, connection }: LinkOptions & { readonly connection: string },
): void {
  const { config, networks } = layout;
  const from = regionStack(layout, region);
  const controllers = controlCidr(networks[other] ?? 0);
  const databases = dataCidr(networks[other] ?? 0);
  const input = (output: string) => stack.input(output, { ...from, output });
  const route = (id: string, routeTableId: string, destinationCidrBlock: string) =>
    new CfnRoute(stack, id, { routeTableId, destinationCidrBlock, vpcPeeringConnectionId: connection });
  for (const zone of config.regions[region]?.zones ?? []) {
    const table = input(logicalId("ControlRouteTable", zone));
    route(logicalId("RouteToControllers", zone), table, controllers);
    route(logicalId("RouteToDatabases", zone), table, databases);
  }
  route("RouteBack", input("DataRouteTable"), controllers);
  allow(stack, "databases-from-controllers", {
    to: input("DatabaseSecurityGroup"),
    port: postgresPort,
    from: { cidr: controllers },
    description: `Controllers of ${other}`,
  });
  allow(stack, "controller-from-controllers", {
    to: input("ControllerSecurityGroup"),
    port: controllerPort,
    from: { cidr: controllers },
    description: `Controllers of ${other}`,
  });
}
