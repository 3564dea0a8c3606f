import { App, type AppProps } from "aws-cdk-lib";
import { awsNames } from "../resources.ts";
import { addEdgeStack } from "./edge-stack.ts";
import { addGlobalStack } from "./global-stack.ts";
import type { Layout } from "./layout.ts";
import { addLinkAccept, addLinkRequest, linkedPairs } from "./link-stacks.ts";
import { addPeeringAccept, addPeeringRequest } from "./peering-stacks.ts";
import { addRegionStack } from "./region-stack.ts";
import type { RowhouseStack } from "./stack.ts";
import type { ParameterSource, Parts } from "./template.ts";
import { addZoneStack } from "./zone-stack.ts";

/** The stacks of a layout as CDK's constructs, in an app that writes to the folder and nowhere else. */
export function createApp(
  layout: Layout,
  folder: string,
  overrides: AppProps = {},
): { readonly app: App; readonly stacks: Parts<RowhouseStack> } {
  const app = new App({
    outdir: folder,
    analyticsReporting: false,
    treeMetadata: false,
    // It takes seconds and can only tell what it told when this was tested.
    builtinCloudFormationValidation: false,
    context: {
      "aws:cdk:disable-asset-staging": true,
      "aws:cdk:disable-stack-trace": true,
      "aws:cdk:enable-path-metadata": false,
      "aws:cdk:enable-asset-metadata": false,
    },
    ...overrides,
  });
  return { app, stacks: addStacks(app, layout) };
}

function addStacks(app: App, layout: Layout): Parts<RowhouseStack> {
  const { config, prefix } = layout;
  const { hostedZone, controlRegion } = config.aws;
  const zoneStack = { stackName: awsNames.zoneStack(prefix), region: controlRegion };
  const globalStack = { stackName: awsNames.globalStack(prefix), region: controlRegion };
  const isNewZone = hostedZone === "create";
  const hostedZoneId: ParameterSource = isNewZone ? { ...zoneStack, output: "HostedZoneId" } : hostedZone;
  const inputs = { hostedZoneId, globalKeyArn: { ...globalStack, output: "KeyArn" } };
  const regions = Object.keys(config.regions);
  return {
    ...(isNewZone && { zone: addZoneStack(app, layout) }),
    global: addGlobalStack(app, layout, inputs),
    edge: addEdgeStack(app, layout, inputs),
    regions: Object.fromEntries(
      regions.map((region) => [region, addRegionStack(app, layout, { region, inputs })]),
    ),
    peerings: Object.fromEntries(
      regions.map((region) => {
        const regionStack = { stackName: awsNames.regionStack(prefix, region), region };
        const ends = { region, regionStack, globalStack };
        const request = addPeeringRequest(app, layout, ends);
        const at = { stackName: request.stackName, region };
        return [region, { request, accept: addPeeringAccept(app, layout, { ...ends, request: at }) }];
      }),
    ),
    links: linkedPairs(regions).map((pair) => {
      const [region, other] = pair;
      const request = addLinkRequest(app, layout, { region, other });
      const at = { stackName: request.stackName, region };
      const accept = addLinkAccept(app, layout, { region: other, other: region, request: at });
      return { regions: pair, request, accept };
    }),
  };
}
