import type { CloudFormationClient, Stack } from "@aws-sdk/client-cloudformation";
import type { S3Client } from "@aws-sdk/client-s3";
import { fault } from "../core/error.ts";
import type { Clock } from "../ports/clock.ts";
import type {
  RegionStack,
  StackChange,
  StackDrift,
  StackPlan,
  StackProgress,
  Stacks,
} from "../ports/stacks.ts";
import { deleteBuckets } from "./cloudformation/buckets.ts";
import type { ChangeSet } from "./cloudformation/change-set.ts";
import { detectDrift, readDrift } from "./cloudformation/drift.ts";
import { CloudFormationStack } from "./cloudformation/stack.ts";
import { meaningOf } from "./cloudformation/status.ts";
import { deployBucket, ensureDeployBucket, uploadTemplate } from "./cloudformation/template-bucket.ts";
import type { StackLocation, Template } from "./stacks/template.ts";

export interface StacksParts {
  readonly prefix: string;
  readonly accountId: string;
  readonly clock: Clock;
  /** Clients for a region of AWS. */
  readonly clients: (region: string) => {
    readonly cloudFormation: CloudFormationClient;
    readonly s3: S3Client;
  };
  /** Names of all that is declared. */
  readonly names: () => readonly string[];
  /**
   * The stacks that a region consists of, in the order in which they are made; the first one is the region's own.
   * Anything else that is deployed as a whole may have a name here, too. @throws E_REGION_UNKNOWN
   */
  readonly templates: (name: string) => Promise<readonly [Template, ...Template[]]>;
  /** Default true; false where the service has no termination protection: an emulator. */
  readonly hasTerminationProtection?: boolean;
}

/** What was worked out for one of a region's stacks. */
interface StackStep {
  readonly template: Template;
  /** `undefined`: it needs outputs of a stack that is yet to be made. */
  readonly changeSet: ChangeSet | undefined;
}

/** Regions as CloudFormation stacks. */
export function createStacks(parts: StacksParts): Stacks {
  return new CloudFormationStacks(parts);
}

class CloudFormationStacks implements Stacks {
  readonly #parts: StacksParts;
  /** The last plan of each region. */
  readonly #planned = new Map<string, { readonly id: string; readonly steps: readonly StackStep[] }>();

  constructor(parts: StacksParts) {
    this.#parts = parts;
  }

  async list(): Promise<readonly RegionStack[]> {
    const all = await Promise.all(this.#parts.names().map((name) => this.describe(name)));
    return all.filter(({ status }) => status !== "absent").toSorted((a, b) => (a.region < b.region ? -1 : 1));
  }

  async describe(region: string): Promise<RegionStack> {
    if (!this.#parts.names().includes(region))
      return { region, status: "absent", problem: null, drift: null };
    const found = await Promise.all(
      (await this.#parts.templates(region)).map(async (template) => ({
        template,
        stack: await this.#stack(template).find(),
      })),
    );
    const status = overall(found.map(({ stack }) => meaningOf(stack?.StackStatus)));
    const failed = found.find(({ stack }) => meaningOf(stack?.StackStatus) === "failed")?.stack;
    return {
      region,
      status,
      problem: failed
        ? `${failed.StackName} is ${failed.StackStatus}: ${failed.StackStatusReason ?? "no reason is given"}`
        : null,
      drift: status === "ready" ? await this.#knownDrift(found) : null,
    };
  }

  async plan(region: string, onProgress: StackProgress = () => {}): Promise<StackPlan> {
    const steps: StackStep[] = [];
    for (const template of await this.#parts.templates(region))
      steps.push({ template, changeSet: await this.#workOut(template, onProgress) });
    const id = steps.map(({ changeSet }) => changeSet?.id ?? "-").join(" ");
    this.#planned.set(region, { id, steps });
    return { id, region, changes: steps.flatMap(changesOf) };
  }

  async apply({ id, region, changes }: StackPlan, onProgress: StackProgress): Promise<void> {
    if (changes.length === 0) return;
    const planned = this.#planned.get(region);
    if (planned?.id !== id) {
      throw fault("E_CONFLICT", `The changes of ${region} were worked out again meanwhile.`, {
        remedy: "Look at the new ones, and apply those.",
      });
    }
    this.#planned.delete(region);
    let hasChanged = false;
    for (const step of planned.steps) {
      // What a stack gives to the next may be other than when that one's changes were worked out.
      const changeSet = hasChanged || !step.changeSet ? await this.#again(step, onProgress) : step.changeSet;
      if (changeSet.id === undefined) continue;
      await this.#stack(step.template).execute(changeSet.id, onProgress);
      hasChanged = true;
    }
  }

  async delete(region: string, onProgress: StackProgress): Promise<void> {
    if (!this.#parts.names().includes(region)) return;
    const templates = await this.#parts.templates(region);
    for (const template of templates.toReversed()) {
      await this.#stack(template).delete(onProgress);
      const { s3 } = this.#parts.clients(template.region);
      // CloudFormation keeps them, and would not make them again under their names.
      await deleteBuckets(s3, template, onProgress);
    }
  }

  async drift(region: string): Promise<readonly StackDrift[]> {
    const { clock, clients } = this.#parts;
    if ((await this.describe(region)).status === "absent") return [];
    const drifts: StackDrift[] = [];
    for (const { stackName, region: at } of await this.#parts.templates(region))
      drifts.push(...(await detectDrift(clients(at).cloudFormation, clock, stackName)));
    return drifts;
  }

  #stack({ stackName, region }: StackLocation): CloudFormationStack {
    const { prefix, clock, clients, hasTerminationProtection = true } = this.#parts;
    const client = clients(region).cloudFormation;
    return new CloudFormationStack({ client, clock, name: stackName, prefix, hasTerminationProtection });
  }

  async #knownDrift(
    found: readonly { readonly template: Template; readonly stack: Stack | undefined }[],
  ): Promise<readonly StackDrift[] | null> {
    const states = found.map(({ stack }) => stack?.DriftInformation?.StackDriftStatus ?? "NOT_CHECKED");
    if (states.every((state) => state === "IN_SYNC")) return [];
    if (!states.includes("DRIFTED")) return null;
    const drifts = await Promise.all(
      found.map(({ template: { region, stackName } }) =>
        readDrift(this.#parts.clients(region).cloudFormation, stackName),
      ),
    );
    return drifts.flat();
  }

  /** `undefined` while a stack that it takes values from is not there. */
  async #workOut(template: Template, onProgress: StackProgress): Promise<ChangeSet | undefined> {
    const parameters = await this.#parameters(template);
    if (parameters === undefined) return undefined;
    const { prefix, accountId, clients } = this.#parts;
    const { region, stackName } = template;
    const { s3 } = clients(region);
    const bucket = deployBucket(prefix, accountId, region);
    await ensureDeployBucket(s3, { bucket, region, prefix });
    const templateUrl = await uploadTemplate(s3, bucket, template);
    onProgress(`${stackName}: working out what changes`);
    return this.#stack(template).plan({ templateUrl, parameters }, onProgress);
  }

  /** The same once what it depends on is there. @throws E_CONFLICT when something else would change than was shown */
  async #again(step: StackStep, onProgress: StackProgress): Promise<ChangeSet> {
    const changeSet = await this.#workOut(step.template, onProgress);
    const { stackName } = step.template;
    if (!changeSet) throw fault("E_AWS_DEPLOY", `A stack that ${stackName} takes values from is missing.`);
    const shown = new Set(changesOf(step).map(signature));
    const more = changeSet.changes.filter((change) => !shown.has(signature(change)));
    if (more.length === 0) return changeSet;
    const names = more.map(({ id }) => id).join(", ");
    throw fault("E_CONFLICT", `In ${stackName} more would change now than was shown: ${names}.`, {
      remedy: "What was deployed so far stays. Deploy again to see and confirm the rest.",
    });
  }

  async #parameters({ parameters }: Template): Promise<Record<string, string> | undefined> {
    const values: Record<string, string> = {};
    for (const [key, source] of Object.entries(parameters)) {
      const value =
        typeof source === "string" ? source : (await this.#stack(source).outputs())[source.output];
      if (value === undefined) return undefined;
      values[key] = value;
    }
    return values;
  }
}

/** A region is as far as the least of its stacks. */
function overall(statuses: readonly RegionStack["status"][]): RegionStack["status"] {
  if (statuses.every((status) => status === "absent")) return "absent";
  for (const status of ["deleting", "failed", "creating"] as const)
    if (statuses.includes(status)) return status;
  return statuses.includes("absent") ? "failed" : "ready";
}

/** Of a stack whose changes can't be worked out yet, everything in it is new. */
function changesOf({ template, changeSet }: StackStep): readonly StackChange[] {
  if (changeSet) return changeSet.changes;
  return Object.entries(template.template.Resources).map(([id, { Type }]) => ({
    action: "add",
    id,
    type: Type,
    replacement: "no",
  }));
}

function signature({ action, id, replacement }: StackChange): string {
  return `${action} ${id} ${replacement}`;
}
