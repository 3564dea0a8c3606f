import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { assignNetworks } from "./address-plan.ts";
import { createApp } from "./app.ts";
import type { Layout } from "./layout.ts";
import type { RowhouseStack } from "./stack.ts";
import type { CloudFormationTemplate, Parts, Template, Templates } from "./template.ts";

export interface SynthesizeOptions extends Pick<Layout, "config" | "userData"> {
  readonly accountId: string;
  /** Default: the config's. */
  readonly prefix?: string | undefined;
  /** Number of the network of each region that is deployed already: its stack's output `NetworkIndex`. */
  readonly deployedNetworks?: Readonly<Record<string, number>> | undefined;
}

/** The same input makes the same templates; nothing is asked of the account, and nothing is left on the disk. */
export function synthesize(options: SynthesizeOptions): Templates {
  const folder = mkdtempSync(join(tmpdir(), "rowhouse-templates-"));
  try {
    const { app, stacks } = createApp(layoutOf(options), folder);
    const assembly = app.synth();
    return mapParts(stacks, (stack) => ({
      stackName: stack.stackName,
      region: stack.at.region,
      template: assembly.getStackArtifact(stack.artifactId).template as CloudFormationTemplate,
      parameters: stack.inputs,
    }));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** What the options come to, with their defaults. */
export function layoutOf(options: SynthesizeOptions): Layout {
  const { config, accountId, userData, deployedNetworks } = options;
  return {
    config,
    accountId,
    userData,
    prefix: options.prefix ?? config.aws.prefix,
    networks: assignNetworks(Object.keys(config.regions), deployedNetworks),
  };
}

/** All templates, each after those whose outputs it takes. Those of one step may be deployed at the same time. */
export function deploymentSteps(templates: Templates): readonly (readonly Template[])[] {
  const peerings = Object.values(templates.peerings);
  const steps = [
    templates.zone ? [templates.zone] : [],
    [templates.global],
    [templates.edge, ...Object.values(templates.regions)],
    peerings.map(({ request }) => request),
    peerings.map(({ accept }) => accept),
    templates.links.map(({ request }) => request),
    templates.links.map(({ accept }) => accept),
  ];
  return steps.filter((step) => step.length > 0);
}

function mapParts(parts: Parts<RowhouseStack>, map: (stack: RowhouseStack) => Template): Templates {
  const { zone, global, edge, regions, peerings, links } = parts;
  return {
    ...(zone && { zone: map(zone) }),
    global: map(global),
    edge: map(edge),
    regions: mapValues(regions, map),
    peerings: mapValues(peerings, ({ request, accept }) => ({ request: map(request), accept: map(accept) })),
    links: links.map((link) => ({ ...link, request: map(link.request), accept: map(link.accept) })),
  };
}

function mapValues<From, To>(
  record: Readonly<Record<string, From>>,
  map: (value: From) => To,
): Record<string, To> {
  return Object.fromEntries(Object.entries(record).map(([key, value]) => [key, map(value)]));
}
