import { type SynthesizeOptions, synthesize } from "../../../src/aws/stacks/synthesize.ts";
import type { Template, Templates } from "../../../src/aws/stacks/template.ts";
import { parseConfig } from "../../../src/core/config/parse.ts";
import type { Config, ConfigInput } from "../../../src/core/config/schema.ts";

/** All regions that an example can have: the first two recover each other. */
const regions: ConfigInput["regions"] = {
  "eu-west-1": { jurisdiction: "EU", zones: ["a", "b", "c"], recovery: "eu-central-1" },
  "eu-central-1": { jurisdiction: "EU", zones: ["a", "b"], recovery: "eu-west-1", start: false },
  "us-east-1": { jurisdiction: "US", zones: ["a", "b"], recovery: "us-west-2" },
  "us-west-2": { jurisdiction: "US", zones: ["a", "b"] },
  "eu-north-1": { jurisdiction: "EU", zones: ["a", "b"] },
  "ap-northeast-1": { jurisdiction: "JP", zones: ["a", "c"] },
  "ap-southeast-2": { jurisdiction: "AU", zones: ["a", "b"] },
  "ca-central-1": { jurisdiction: "CA", zones: ["a", "b"] },
};

/** A config for AWS with the first so many regions; a region of one needs no other to recover in. */
export function exampleConfig(regionCount: 1 | 2 | 4 | 8, aws: ConfigInput["aws"] = {}): Config {
  const chosen = Object.entries(regions).slice(0, regionCount);
  return parseConfig({
    app: "./app.ts",
    domain: "bookshop.example",
    target: "aws",
    regions: Object.fromEntries(
      chosen.map(([name, { recovery, ...region }]) => [
        name,
        { ...region, ...(recovery !== undefined && regionCount > 1 && { recovery }) },
      ]),
    ),
    plans: { starter: { isolation: "schema" } },
    aws: { alarmEmails: ["ops@bookshop.example"], ...aws },
  });
}

/** What {@link synthesize} takes, for a config. */
export function exampleOptions(config: Config): SynthesizeOptions {
  return {
    config,
    accountId: "123456789012",
    userData: (server) => `#cloud-config\n# ${JSON.stringify(server)}\n`,
  };
}

export function exampleTemplates(regionCount: 1 | 2 | 4 | 8, aws: ConfigInput["aws"] = {}): Templates {
  return synthesize(exampleOptions(exampleConfig(regionCount, aws)));
}

/** Every template, whatever it is of. */
export function allTemplates({
  zone,
  global,
  edge,
  regions,
  peerings,
  links,
}: Templates): readonly Template[] {
  return [
    ...(zone ? [zone] : []),
    global,
    edge,
    ...Object.values(regions),
    ...[...Object.values(peerings), ...links].flatMap(({ request, accept }) => [request, accept]),
  ];
}
