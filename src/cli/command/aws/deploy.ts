import type { Command } from "commander";
import type { Config } from "../../../core/config/schema.ts";
import {
  type CostLine,
  estimateControlPlane,
  estimateRegion,
  priceSource,
} from "../../../core/cost/aws-estimate.ts";
import type { StackPlan } from "../../../ports/stacks.ts";
import type { OpenDeployment } from "../../../programs/aws/deploy/open.ts";
import { awsAccess, importAws } from "../../aws.ts";
import { loadConfig } from "../../config-file.ts";
import { confirm } from "../../confirm.ts";
import { example, type Invocation } from "../../invocation.ts";
import { table } from "../../output.ts";
import { requireAwsTarget } from "./target.ts";

interface DeployOptions {
  readonly region?: string;
  readonly yes?: true;
}

/** `rowhouse aws deploy`: shows what would change in the account, asks, and does it. */
export function addAwsDeploy(parent: Command, invocation: Invocation): void {
  parent
    .command("deploy")
    .description("bring an AWS account to what the config says; shows the changes and asks first")
    .option("--region <region>", "only this region, and what it stands on")
    .option("--yes", "don't ask")
    .addHelpText("after", example(invocation, "$0 aws deploy --region eu-west-1"))
    .action((options: DeployOptions, command: Command) => runDeploy(invocation, command, options));
}

/** The deployment itself, of all or of one region. */
export async function runDeploy(
  invocation: Invocation,
  command: Command,
  { region, yes }: DeployOptions,
): Promise<void> {
  const startedAt = performance.now();
  const location = await invocation.config(command);
  const config = requireAwsTarget(await loadConfig(location.configFile));
  const { context, output } = invocation;
  const onProgress = (message: string) => output.progress(message);
  const { openDeployment } = await importAws(() => import("../../../programs/aws/deploy/open.ts"));
  const { packageRoot, version } = context;
  const opened = await openDeployment({
    ...location,
    config,
    packageRoot,
    version,
    accessTo: awsAccess,
    onProgress,
  });
  const { accountId } = opened.deployment;
  const names = await opened.deployment.names(region);
  const plans = await planAll(opened, names, onProgress);
  const changes = plans.flatMap((plan) => plan.changes.map((change) => ({ part: plan.region, ...change })));
  if (changes.length > 0) {
    output.progress(describeChanges(plans));
    output.progress(describeCost(config, names));
    const text = `These ${changes.length} changes are made in the AWS account ${accountId}.`;
    await confirm(context, { text, answer: accountId, yes: yes === true });
  }
  await applyAll(opened, plans, onProgress);
  const regions = names.filter((name) => config.regions[name]);
  await opened.untilServing(regions, onProgress);
  const { url } = await opened.deployment.global();
  const durationMs = Math.round(performance.now() - startedAt);
  output.result({ accountId, url, regions, changes, durationMs }, () => `Deployed, and serving at ${url}.`);
}

async function planAll(
  { deployment }: OpenDeployment,
  names: readonly string[],
  onProgress: (message: string) => void,
): Promise<StackPlan[]> {
  const plans: StackPlan[] = [];
  for (const name of names) plans.push(await deployment.stacks.plan(name, onProgress));
  return plans;
}

/** One after the other, each with what the ones before gave. */
async function applyAll(
  { deployment, release }: OpenDeployment,
  plans: readonly StackPlan[],
  onProgress: (message: string) => void,
): Promise<void> {
  let mayHaveChanged = false;
  for (const plan of plans) {
    await deployment.apply(plan, { release, mayHaveChanged, onProgress });
    mayHaveChanged ||= plan.changes.length > 0;
  }
  if (mayHaveChanged) await joinRegions({ deployment, release }, plans, onProgress);
}

/** Only when two regions are there, each can copy its objects to the other and their networks can meet. */
async function joinRegions(
  { deployment, release }: Pick<OpenDeployment, "deployment" | "release">,
  plans: readonly StackPlan[],
  onProgress: (message: string) => void,
): Promise<void> {
  for (const { region } of plans.filter((plan) => deployment.meetsOthers(plan.region))) {
    const rest = await deployment.stacks.plan(region, onProgress);
    // What else there may be is for the next deployment to show.
    if (rest.changes.some(({ action, replacement }) => action === "remove" || replacement !== "no")) continue;
    await deployment.apply(rest, { release, mayHaveChanged: false, onProgress });
  }
}

function describeChanges(plans: readonly StackPlan[]): string {
  const rows = plans.flatMap(({ region, changes }) =>
    changes.map(({ action, id, type, replacement }) => [
      region,
      replacement === "yes" ? "REPLACE" : replacement === "maybe" ? "change, maybe replace" : action,
      id,
      type,
    ]),
  );
  return table(["PART", "ACTION", "NAME", "TYPE"], rows);
}

function describeCost(config: Config, names: readonly string[]): string {
  const parts: (readonly [string, readonly CostLine[]])[] = [
    ["control-plane", estimateControlPlane(config)],
    ...names
      .filter((name) => config.regions[name])
      .map((name) => [name, estimateRegion(config, name)] as const),
  ];
  const rows = parts.flatMap(([part, lines]) =>
    lines.map(({ item, count, monthlyDollars }) => [part, item, count, monthlyDollars]),
  );
  const known = parts.flatMap(([, lines]) => lines.map(({ monthlyDollars }) => monthlyDollars ?? 0));
  const total = known.reduce((sum, dollars) => sum + dollars, 0);
  const note = `At least about $${total} a month, before traffic, storage and requests (${priceSource}).`;
  return `${table(["PART", "WHAT STANDS THERE", "COUNT", "USD A MONTH"], rows)}\n${note}`;
}
