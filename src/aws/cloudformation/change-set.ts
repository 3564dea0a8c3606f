import { randomUUID } from "node:crypto";
import {
  type Change,
  type CloudFormationClient,
  CreateChangeSetCommand,
  DeleteChangeSetCommand,
  DescribeChangeSetCommand,
  paginateListChangeSets,
} from "@aws-sdk/client-cloudformation";
import { fault } from "../../core/error.ts";
import type { Clock } from "../../ports/clock.ts";
import type { StackChange } from "../../ports/stacks.ts";
import { isAwsError } from "../fault.ts";
import { awsTags } from "../resources.ts";

export interface ChangeSet {
  /** ARN; `undefined` when there is nothing to change. */
  readonly id: string | undefined;
  readonly changes: readonly StackChange[];
}

export interface ChangeSetRequest {
  readonly stackName: string;
  readonly prefix: string;
  readonly isNew: boolean;
  readonly parameters: Readonly<Record<string, string>>;
  /** Without it the stack keeps its template. */
  readonly templateUrl: string | undefined;
  /** Of the parameters that the stack has and that keep their values. */
  readonly kept?: readonly string[];
}

const namePrefix = "rowhouse-";
const pollMilliseconds = 2000;

/** Has CloudFormation work out what would change. @throws E_AWS_DEPLOY when the template is not valid */
export async function createChangeSet(
  client: CloudFormationClient,
  clock: Clock,
  request: ChangeSetRequest,
): Promise<ChangeSet> {
  const { stackName, prefix, isNew, templateUrl, parameters, kept = [] } = request;
  if (!isNew) await deleteEarlier(client, stackName);
  try {
    const { Id } = await client.send(
      new CreateChangeSetCommand({
        StackName: stackName,
        ChangeSetName: `${namePrefix}${randomUUID()}`,
        ChangeSetType: isNew ? "CREATE" : "UPDATE",
        ...(templateUrl === undefined ? { UsePreviousTemplate: true } : { TemplateURL: templateUrl }),
        Parameters: [
          ...Object.entries(parameters).map(([key, value]) => ({ ParameterKey: key, ParameterValue: value })),
          ...kept.map((key) => ({ ParameterKey: key, UsePreviousValue: true })),
        ],
        Capabilities: ["CAPABILITY_NAMED_IAM"],
        Tags: [{ Key: awsTags.prefix, Value: prefix }],
      }),
    );
    return await untilWorkedOut(client, clock, stackName, Id ?? "");
  } catch (error) {
    if (!isAwsError(error, "ValidationError")) throw error;
    if (isNothing(error.message)) return { id: undefined, changes: [] };
    throw fault("E_AWS_DEPLOY", `CloudFormation refused the template of ${stackName}: ${error.message}.`, {
      cause: error,
    });
  }
}

async function untilWorkedOut(
  client: CloudFormationClient,
  clock: Clock,
  stackName: string,
  id: string,
): Promise<ChangeSet> {
  for (;;) {
    const { status, reason, changes } = await readChangeSet(client, stackName, id);
    if (status === "CREATE_COMPLETE") return { id, changes };
    if (status === "FAILED") {
      await client.send(new DeleteChangeSetCommand({ StackName: stackName, ChangeSetName: id }));
      if (isNothing(reason)) return { id: undefined, changes: [] };
      throw fault("E_AWS_DEPLOY", `The changes of ${stackName} can't be made: ${reason}.`);
    }
    await clock.sleep(pollMilliseconds);
  }
}

async function readChangeSet(client: CloudFormationClient, stackName: string, id: string) {
  const changes: StackChange[] = [];
  for (let token: string | undefined; ; ) {
    const page = await client.send(
      new DescribeChangeSetCommand({ StackName: stackName, ChangeSetName: id, NextToken: token }),
    );
    changes.push(...(page.Changes ?? []).map(toChange));
    token = page.NextToken;
    if (!token) return { status: page.Status, reason: sentence(page.StatusReason), changes };
  }
}

/** Those of deployments that were never gone through with; they would count against the quota. */
async function deleteEarlier(client: CloudFormationClient, stackName: string): Promise<void> {
  const earlier: string[] = [];
  for await (const page of paginateListChangeSets({ client }, { StackName: stackName })) {
    for (const { StackName, ChangeSetName, ChangeSetId, ExecutionStatus } of page.Summaries ?? []) {
      const isOurs = StackName === stackName && ChangeSetName?.startsWith(namePrefix);
      if (isOurs && ChangeSetId && ExecutionStatus !== "EXECUTE_COMPLETE") earlier.push(ChangeSetId);
    }
  }
  for (const id of earlier)
    await client.send(new DeleteChangeSetCommand({ StackName: stackName, ChangeSetName: id }));
}

function isNothing(reason: string): boolean {
  return /didn't contain changes|No updates are to be performed/i.test(reason);
}

function toChange({ ResourceChange: change }: Change): StackChange {
  const action = change?.Action === "Remove" ? "remove" : change?.Action === "Add" ? "add" : "change";
  const replacement =
    change?.Replacement === "True" ? "yes" : change?.Replacement === "Conditional" ? "maybe" : "no";
  return { action, id: change?.LogicalResourceId ?? "", type: change?.ResourceType ?? "", replacement };
}

function sentence(text = ""): string {
  return text.replace(/[.\s]*$/, "");
}
