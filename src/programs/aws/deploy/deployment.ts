import { AutoScalingClient } from "@aws-sdk/client-auto-scaling";
import { CloudFormationClient } from "@aws-sdk/client-cloudformation";
import { DynamoDBClient } from "@aws-sdk/client-dynamodb";
import { Route53Client } from "@aws-sdk/client-route-53";
import { SESv2Client } from "@aws-sdk/client-sesv2";
import { GetCallerIdentityCommand, STSClient } from "@aws-sdk/client-sts";
import type { ReleasePackage } from "../../../api/region-rpc.ts";
import { type AwsAccess, createAwsClient } from "../../../aws/client.ts";
import { CloudFormationStack } from "../../../aws/cloudformation/stack.ts";
import { createS3Client } from "../../../aws/data-platform.ts";
import { createDns } from "../../../aws/dns.ts";
import { createRegistry } from "../../../aws/registry.ts";
import { awsNames, type GlobalResources } from "../../../aws/resources.ts";
import { ensureMailIdentity, removeMailIdentity } from "../../../aws/ses/identity.ts";
import { readGlobalOutputs, readRegionOutputs } from "../../../aws/stacks/outputs.ts";
import { suspendFleetGroups } from "../../../aws/stacks/suspend-fleets.ts";
import { synthesize } from "../../../aws/stacks/synthesize.ts";
import { type Template, type Templates, templateParameters } from "../../../aws/stacks/template.ts";
import { createStacks } from "../../../aws/stacks.ts";
import { unknownRegion } from "../../../control/regions/regions.ts";
import { unpublishRegion } from "../../../control/signup/address.ts";
import type { Config } from "../../../core/config/schema.ts";
import { fault } from "../../../core/error.ts";
import { regionsDomain } from "../../../core/registry/domains.ts";
import type { Clock } from "../../../ports/clock.ts";
import type { Dns } from "../../../ports/dns.ts";
import type { RegionStack, StackPlan, StackProgress, Stacks } from "../../../ports/stacks.ts";
import { publishDocument, publishRegion, publishSoftware } from "./publish.ts";
import { serverUserData } from "./server-user-data.ts";
import type { PackedSoftware } from "./software.ts";

/** What is deployed beside the regions, each as a whole. Their names are no regions'. */
const [zone, control, edge] = ["zone", "control-plane", "edge"] as const;

export interface DeploymentParts {
  readonly config: Config;
  /** Version of Rowhouse. */
  readonly version: string;
  readonly accessTo: (region: string) => AwsAccess;
  readonly clock: Clock;
  readonly packed: PackedSoftware;
  /** Values for parameters of the templates by which they take what there is already, as a certificate. */
  readonly given?: Readonly<Record<string, string>>;
  readonly hasTerminationProtection?: boolean;
  /** Default: the SDK's client; an emulator's may need help. */
  readonly cloudFormation?: (access: AwsAccess) => CloudFormationClient;
}

/** A config's system on an AWS account: what is between it and what is there, and the way. */
export class Deployment {
  readonly accountId: string;
  readonly stacks: Stacks;
  readonly #parts: DeploymentParts;
  readonly #templates: Templates;

  private constructor(parts: DeploymentParts, accountId: string, templates: Templates) {
    this.#parts = parts;
    this.accountId = accountId;
    this.#templates = templates;
    const { config, clock, accessTo, hasTerminationProtection } = parts;
    this.stacks = createStacks({
      prefix: config.aws.prefix,
      accountId,
      clock,
      clients: (region) => ({
        cloudFormation: cloudFormationOf(parts, region),
        s3: createS3Client(accessTo(region)),
      }),
      names: () => [...(templates.zone ? [zone] : []), control, ...Object.keys(config.regions), edge],
      templates: (name) => this.#templatesOf(name),
      ...(hasTerminationProtection === undefined ? {} : { hasTerminationProtection }),
    });
  }

  /** @throws E_AWS_CREDENTIALS, E_AWS_ACCESS */
  static async open(parts: DeploymentParts): Promise<Deployment> {
    const { config, accessTo, packed } = parts;
    const sts = createAwsClient(STSClient, accessTo(config.aws.controlRegion));
    const { Account: accountId = "" } = await sts.send(new GetCallerIdentityCommand({}));
    const deployedNetworks: Record<string, number> = {};
    for (const region of Object.keys(config.regions)) {
      const { NetworkIndex } = await outputsOf(
        parts,
        awsNames.regionStack(config.aws.prefix, region),
        region,
      );
      if (NetworkIndex !== undefined) deployedNetworks[region] = Number(NetworkIndex);
    }
    const templates = synthesize({
      config,
      accountId,
      deployedNetworks,
      userData: (server) => serverUserData(config, server, packed.software),
    });
    return new Deployment(parts, accountId, templates);
  }

  /**
   * The names of what belongs together, in the order of their deployment: all that the config starts and all that is
   * there; or what a region stands on, and that region. @throws E_REGION_UNKNOWN
   */
  async names(region?: string): Promise<readonly string[]> {
    const { config } = this.#parts;
    if (region !== undefined && !config.regions[region]) throw unknownRegion(region, config);
    const there = new Set((await this.stacks.list()).map((stack: RegionStack) => stack.region));
    const regions = Object.entries(config.regions).flatMap(([name, { start }]) =>
      (region === undefined ? start || there.has(name) : name === region) ? [name] : [],
    );
    const isComplete = region === undefined || !there.has(edge);
    return [...(this.#templates.zone ? [zone] : []), control, ...regions, ...(isComplete ? [edge] : [])];
  }

  /** Whether a region has to do with others: what leads to those can be made once both are there. */
  meetsOthers(name: string): boolean {
    const { regions } = this.#parts.config;
    return regions[name] !== undefined && Object.keys(regions).length > 1;
  }

  /** Makes one part as it was shown, and gives its servers what they run. */
  async apply(
    shown: StackPlan,
    parts: {
      readonly release: ReleasePackage;
      readonly mayHaveChanged: boolean;
      readonly onProgress: StackProgress;
    },
  ): Promise<void> {
    const { onProgress, release } = parts;
    const plan = parts.mayHaveChanged ? await this.#again(shown, onProgress) : shown;
    await this.stacks.apply(plan, onProgress);
    if (plan.region === control) await this.#publishControl(onProgress);
    else if (this.#parts.config.regions[plan.region])
      await this.#publishRegion(plan.region, release, onProgress);
  }

  /** Removes a region that takes no tenants any more, with its name and what the control plane knows of it. */
  async remove(region: string, onProgress: StackProgress): Promise<void> {
    const { config, accessTo } = this.#parts;
    const global = await this.global();
    const access = accessTo(global.region);
    const regions = createRegistry({
      client: createAwsClient(DynamoDBClient, access),
      table: global.registryTable,
    });
    await regions.delete(regionsDomain, region);
    await unpublishRegion({ dns: this.#dns(global), config }, region);
    await removeMailIdentity(createAwsClient(SESv2Client, accessTo(region)), config.domain);
    await this.stacks.delete(region, onProgress);
  }

  /** The control plane's outputs. @throws zod's error before it is deployed */
  async global(): Promise<GlobalResources> {
    const { prefix, controlRegion } = this.#parts.config.aws;
    return readGlobalOutputs(await outputsOf(this.#parts, awsNames.globalStack(prefix), controlRegion));
  }

  /** What an earlier part gave to this one may be other now. @throws E_CONFLICT when more would change than was shown */
  async #again(shown: StackPlan, onProgress: StackProgress): Promise<StackPlan> {
    const plan = await this.stacks.plan(shown.region, onProgress);
    const known = new Set(
      shown.changes.map(({ action, id, replacement }) => `${action} ${id} ${replacement}`),
    );
    const more = plan.changes.filter(
      ({ action, id, replacement }) => !known.has(`${action} ${id} ${replacement}`),
    );
    if (more.length === 0) return plan;
    throw fault(
      "E_CONFLICT",
      `In ${shown.region} more would change now than was shown: ${more.map(({ id }) => id).join(", ")}.`,
      {
        remedy: "What was deployed so far stays. Deploy again to see and confirm the rest.",
      },
    );
  }

  async #publishControl(onProgress: StackProgress): Promise<void> {
    const { config, version, accessTo, packed } = this.#parts;
    const global = await this.global();
    const client = createS3Client(accessTo(global.region));
    onProgress("control-plane: giving its servers what they run");
    await publishSoftware(client, global.bucket, packed);
    await publishDocument(client, global.bucket, { version, config, global });
  }

  async #publishRegion(region: string, release: ReleasePackage, onProgress: StackProgress): Promise<void> {
    const { config, version, accessTo, packed, clock } = this.#parts;
    const outputs = await outputsOf(this.#parts, awsNames.regionStack(config.aws.prefix, region), region);
    const resources = readRegionOutputs(outputs);
    const global = await this.global();
    const document = { version, config, resources, global };
    const client = createS3Client(accessTo(region));
    onProgress(`${region}: giving its servers what they run`);
    await publishSoftware(client, resources.bucket, packed);
    await publishRegion({
      document,
      access: accessTo(region),
      controlAccess: accessTo(global.region),
      release,
      clock,
    });
    await publishDocument(client, resources.bucket, document);
    await ensureMailIdentity({
      client: createAwsClient(SESv2Client, accessTo(region)),
      dns: this.#dns(global),
      domain: config.domain,
      prefix: config.aws.prefix,
    });
    const autoScaling = createAwsClient(AutoScalingClient, accessTo(region));
    await suspendFleetGroups(autoScaling, resources.groups);
  }

  #dns({ region, hostedZoneId }: GlobalResources): Dns {
    const { config, accessTo, clock } = this.#parts;
    const client = createAwsClient(Route53Client, accessTo(region));
    return createDns({ client, hostedZoneId, zone: config.domain, clock });
  }

  async #templatesOf(name: string): Promise<readonly [Template, ...Template[]]> {
    const [first, ...others] = await this.#stacksOf(name);
    return [this.#withGiven(first), ...others.map((template) => this.#withGiven(template))];
  }

  #withGiven(template: Template): Template {
    const known = Object.entries(this.#parts.given ?? {}).filter(
      ([key]) => template.template.Parameters?.[key] !== undefined,
    );
    return { ...template, parameters: { ...template.parameters, ...Object.fromEntries(known) } };
  }

  async #stacksOf(name: string): Promise<readonly [Template, ...Template[]]> {
    const { zone: zoneTemplate, global, edge: edgeTemplate, regions, peerings } = this.#templates;
    if (name === zone && zoneTemplate) return [zoneTemplate];
    if (name === control) return [global];
    if (name === edge) return [edgeTemplate];
    const template = Object.hasOwn(regions, name) ? regions[name] : undefined;
    if (!template) throw unknownRegion(name, this.#parts.config);
    const peering = peerings[name];
    const own = { ...template, parameters: { ...template.parameters, ...(await this.#replication(name)) } };
    return [own, ...(peering ? [peering.request, peering.accept] : []), ...(await this.#linksOf(name))];
  }

  /** The ways to those regions that are there already, both ends of each. */
  async #linksOf(name: string): Promise<Template[]> {
    const found: Template[] = [];
    for (const { regions, request, accept } of this.#templates.links) {
      if (!regions.includes(name)) continue;
      const other = regions.find((region) => region !== name) ?? name;
      if (await this.#isThere(other)) found.push(request, accept);
    }
    return found;
  }

  async #isThere(region: string): Promise<boolean> {
    const { prefix } = this.#parts.config.aws;
    const { Bucket } = await outputsOf(this.#parts, awsNames.regionStack(prefix, region), region);
    return Bucket !== undefined;
  }

  /** Objects can be copied to the recovery region once its bucket is there. */
  async #replication(region: string): Promise<Record<string, string>> {
    const recovery = this.#parts.config.regions[region]?.recovery;
    const isPossible = recovery !== undefined && (await this.#isThere(recovery));
    return isPossible ? { [templateParameters.replication]: "on" } : {};
  }
}

/** None when there is no such stack. */
function outputsOf(
  parts: Pick<DeploymentParts, "config" | "clock" | "accessTo" | "cloudFormation">,
  name: string,
  region: string,
): Promise<Readonly<Record<string, string>>> {
  const client = cloudFormationOf(parts, region);
  const { prefix } = parts.config.aws;
  const { clock } = parts;
  return new CloudFormationStack({ client, clock, name, prefix, hasTerminationProtection: true }).outputs();
}

function cloudFormationOf(
  { accessTo, cloudFormation }: Pick<DeploymentParts, "accessTo" | "cloudFormation">,
  region: string,
): CloudFormationClient {
  const access = accessTo(region);
  return cloudFormation?.(access) ?? createAwsClient(CloudFormationClient, access);
}
