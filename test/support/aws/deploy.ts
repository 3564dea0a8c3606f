import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { CloudFormationClient } from "@aws-sdk/client-cloudformation";
import { type AwsAccess, createAwsClient } from "../../../src/aws/client.ts";
import { awsNames } from "../../../src/aws/resources.ts";
import { buildRelease } from "../../../src/control/release/build.ts";
import type { Config } from "../../../src/core/config/schema.ts";
import { createSystemClock } from "../../../src/node/clock.ts";
import { Deployment } from "../../../src/programs/aws/deploy/deployment.ts";
import { repository } from "../system.ts";
import { completeChangeSets } from "./change-sets.ts";
import { emulatorParameters } from "./emulator-parameters.ts";
import { leaveOutPeering } from "./peering.ts";
import { makeStackSecrets } from "./secrets.ts";
import { packForEmulator } from "./software.ts";

/**
 * Deploys a config into the emulator by what `rowhouse aws deploy` does, all of it but CloudFront. Each region takes
 * its own certificate and the one cache that there is.
 */
export async function deployToEmulator(options: {
  readonly access: AwsAccess;
  readonly config: Config;
  readonly cacheEndpoint: string;
  readonly folder: string;
}): Promise<Deployment> {
  const { access, config, cacheEndpoint, folder } = options;
  const [packed, built] = await Promise.all([
    packForEmulator(join(folder, "software")),
    buildRelease({
      appFile: join(repository, "examples/bookshop/app.ts"),
      outputFolder: join(folder, "releases"),
    }),
  ]);
  const { manifest, sha256, zipFile } = built;
  const release = { version: manifest.version, sha256, zip: await readFile(zipFile) };
  const clients = new Map<string, CloudFormationClient>();
  const open = async (region: string) =>
    Deployment.open({
      config,
      version: "0.0.0-test",
      accessTo: (name) => ({ ...access, region: name }),
      clock: createSystemClock(),
      packed,
      given: await emulatorParameters({ ...access, region }, { domain: config.domain, cacheEndpoint }),
      hasTerminationProtection: false,
      cloudFormation: (to) => cloudFormation(clients, to, config),
    });
  const apply = async (deployment: Deployment, name: string) => {
    const plan = await deployment.stacks.plan(name);
    await deployment.apply(plan, { release, mayHaveChanged: false, onProgress: () => {} });
  };
  const started = Object.entries(config.regions).flatMap(([region, { start }]) => (start ? [region] : []));
  const { prefix, controlRegion } = config.aws;
  await makeStackSecrets({ access, prefix, controlRegion, regions: started });
  const control = await open(controlRegion);
  await apply(control, "zone");
  await apply(control, "control-plane");
  for (const region of started) await apply(await open(region), region);
  return control;
}

/** One for each region: what the emulator leaves out is made up for by what the client remembers. */
function cloudFormation(
  clients: Map<string, CloudFormationClient>,
  access: AwsAccess,
  config: Config,
): CloudFormationClient {
  const known = clients.get(access.region);
  if (known) return known;
  const client = createAwsClient(CloudFormationClient, access, { maxAttempts: 1 });
  completeChangeSets(client);
  const { prefix, controlRegion } = config.aws;
  const accepting = Object.keys(config.regions)
    .filter((region) => region !== controlRegion)
    .map((region) => awsNames.peeringAcceptStack(prefix, region));
  const requesting = access.region === controlRegion ? undefined : awsNames.peeringStack(prefix);
  const others = Object.keys(config.regions).filter((region) => region !== access.region);
  const links = new Map(others.map((other) => [awsNames.linkStack(prefix, other), other]));
  leaveOutPeering(client, (stackName) => {
    const other = links.get(stackName);
    if (other !== undefined) return access.region < other ? "request" : "acceptLink";
    if (accepting.includes(stackName)) return "accept";
    return stackName === requesting ? "request" : undefined;
  });
  clients.set(access.region, client);
  return client;
}
