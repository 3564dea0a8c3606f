import type { CfnResource } from "aws-cdk-lib";
import {
  CfnEIP,
  CfnFlowLog,
  CfnInternetGateway,
  CfnNatGateway,
  CfnRoute,
  CfnRouteTable,
  CfnSubnet,
  CfnSubnetRouteTableAssociation,
  CfnVPC,
  CfnVPCEndpoint,
  CfnVPCGatewayAttachment,
} from "aws-cdk-lib/aws-ec2";
import { awsTags, vpcCidr } from "../resources.ts";
import { subnetCidr, type Tier } from "./address-plan.ts";
import { logicalId, type RowhouseStack } from "./stack.ts";

/** By the zone's letter. */
type ByZone = Readonly<Record<string, string>>;

export interface Network {
  readonly vpcId: string;
  readonly cidr: string;
  readonly subnets: Readonly<Record<Tier, ByZone>>;
  /** Ids of the route tables of the zones' control subnets, by zone. */
  readonly controlRouteTables: ByZone;
  /** Of all data subnets. */
  readonly dataRouteTable: string;
}

interface NetworkOptions {
  /** Its number in the address plan. */
  readonly index: number;
  readonly zones: readonly string[];
  /** Besides public and data subnets. */
  readonly tiers: readonly ("private" | "control")[];
  readonly natGateways: "one" | "per-zone";
  readonly logBucket: string;
}

/**
 * A VPC: public subnets for the balancer and NAT, private and control ones with a way out but none in, and data ones with
 * neither. S3 and DynamoDB are reached without leaving the network.
 */
export function addNetwork(stack: RowhouseStack, options: NetworkOptions): Network {
  const { index, zones, natGateways } = options;
  const vpc = new CfnVPC(stack, "Vpc", {
    cidrBlock: vpcCidr(index),
    enableDnsHostnames: true,
    enableDnsSupport: true,
    tags: [{ key: "Name", value: stack.prefix }],
  });
  const builder = new SubnetBuilder(stack, vpc, index);
  const publicTable = addPublicRoutes(stack, vpc);
  const dataRouteTable = addRouteTable(stack, vpc, "data");
  const publicSubnets = builder.addTier("public", zones, () => publicTable);
  const gateways = zones
    .slice(0, natGateways === "one" ? 1 : zones.length)
    .map((zone) => addNatGateway(stack, zone, publicSubnets[zone] ?? ""));
  const subnets: Record<Tier, ByZone> = {
    public: publicSubnets,
    private: {},
    control: {},
    data: builder.addTier("data", zones, () => dataRouteTable),
  };
  const tables: Record<"private" | "control", Record<string, string>> = { private: {}, control: {} };
  for (const tier of options.tiers) {
    for (const [position, zone] of zones.entries()) {
      tables[tier][zone] = addRouteTable(stack, vpc, `${tier}-${zone}`);
      new CfnRoute(stack, logicalId("Route", tier, zone), {
        routeTableId: tables[tier][zone],
        destinationCidrBlock: "0.0.0.0/0",
        natGatewayId: gateways[position] ?? gateways[0] ?? "",
      });
    }
    subnets[tier] = builder.addTier(tier, zones, (zone) => tables[tier][zone] ?? "");
  }
  const inner = [...Object.values(tables.private), ...Object.values(tables.control)];
  addGatewayEndpoints(stack, vpc, inner);
  addFlowLog(stack, vpc, options.logBucket);
  return {
    vpcId: vpc.ref,
    cidr: vpcCidr(index),
    subnets,
    controlRouteTables: tables.control,
    dataRouteTable,
  };
}

class SubnetBuilder {
  readonly #stack: RowhouseStack;
  readonly #vpc: CfnVPC;
  readonly #index: number;

  constructor(stack: RowhouseStack, vpc: CfnVPC, index: number) {
    this.#stack = stack;
    this.#vpc = vpc;
    this.#index = index;
  }

  /** A subnet in each zone, with the route table that is given for it. */
  addTier(tier: Tier, zones: readonly string[], routeTable: (zone: string) => string): ByZone {
    return Object.fromEntries(
      zones.map((zone) => {
        const subnet = new CfnSubnet(this.#stack, logicalId("Subnet", tier, zone), {
          vpcId: this.#vpc.ref,
          cidrBlock: subnetCidr(this.#index, tier, zone),
          availabilityZone: `${this.#stack.at.region}${zone}`,
          mapPublicIpOnLaunch: false,
          tags: [{ key: "Name", value: this.#stack.named(`${tier}-${zone}`) }],
        });
        new CfnSubnetRouteTableAssociation(this.#stack, logicalId("RouteOf", tier, zone), {
          subnetId: subnet.ref,
          routeTableId: routeTable(zone),
        });
        return [zone, subnet.ref];
      }),
    );
  }
}

function addPublicRoutes(stack: RowhouseStack, vpc: CfnVPC): string {
  const gateway = new CfnInternetGateway(stack, "InternetGateway");
  const attachment = new CfnVPCGatewayAttachment(stack, "InternetGatewayAttachment", {
    vpcId: vpc.ref,
    internetGatewayId: gateway.ref,
  });
  const table = addRouteTable(stack, vpc, "public");
  new CfnRoute(stack, "RoutePublic", {
    routeTableId: table,
    destinationCidrBlock: "0.0.0.0/0",
    gatewayId: gateway.ref,
  }).addResourceDependency(attachment);
  return table;
}

function addRouteTable(stack: RowhouseStack, vpc: CfnVPC, name: string): string {
  return new CfnRouteTable(stack, logicalId("RouteTable", name), {
    vpcId: vpc.ref,
    tags: [{ key: "Name", value: stack.named(name) }],
  }).ref;
}

function addNatGateway(stack: RowhouseStack, zone: string, subnetId: string): string {
  const address = new CfnEIP(stack, logicalId("NatAddress", zone), { domain: "vpc" });
  const gateway = new CfnNatGateway(stack, logicalId("NatGateway", zone), {
    subnetId,
    allocationId: address.attrAllocationId,
    tags: [{ key: "Name", value: stack.named(`nat-${zone}`) }],
  });
  const attachment = stack.node.findChild("InternetGatewayAttachment") as CfnVPCGatewayAttachment;
  gateway.addResourceDependency(attachment);
  return gateway.ref;
}

function addGatewayEndpoints(stack: RowhouseStack, vpc: CfnVPC, routeTableIds: string[]): void {
  for (const service of ["s3", "dynamodb"]) {
    new CfnVPCEndpoint(stack, logicalId("Endpoint", service), {
      vpcId: vpc.ref,
      serviceName: `com.amazonaws.${stack.at.region}.${service}`,
      vpcEndpointType: "Gateway",
      routeTableIds,
    });
  }
}

function addFlowLog(stack: RowhouseStack, vpc: CfnVPC, logBucket: string): void {
  new CfnFlowLog(stack, "FlowLog", {
    resourceId: vpc.ref,
    resourceType: "VPC",
    trafficType: "ALL",
    logDestinationType: "s3",
    logDestination: stack.bucketArn(logBucket),
    tags: [{ key: awsTags.prefix, value: stack.prefix }],
  }).addResourceDependency(stack.node.findChild("LogBucketPolicy") as CfnResource);
}
