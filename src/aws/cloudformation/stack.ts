import { randomUUID } from "node:crypto";
import {
  type CloudFormationClient,
  ContinueUpdateRollbackCommand,
  DeleteStackCommand,
  DescribeStacksCommand,
  ExecuteChangeSetCommand,
  type Stack,
  UpdateTerminationProtectionCommand,
} from "@aws-sdk/client-cloudformation";
import { fault, type RowhouseError } from "../../core/error.ts";
import type { Clock } from "../../ports/clock.ts";
import type { StackProgress } from "../../ports/stacks.ts";
import { isAwsError } from "../fault.ts";
import { templateParameters } from "../stacks/template.ts";
import { type ChangeSet, createChangeSet } from "./change-set.ts";
import { StackEvents } from "./events.ts";
import { meaningOf, wasNeverCreated } from "./status.ts";

const pollMilliseconds = 5000;

export interface CloudFormationStackParts {
  readonly client: CloudFormationClient;
  readonly clock: Clock;
  readonly name: string;
  readonly prefix: string;
  /** False where the service has no termination protection: an emulator. */
  readonly hasTerminationProtection: boolean;
}

/** One CloudFormation stack. Whatever another process began on it, perhaps one that was killed, is waited for first. */
export class CloudFormationStack {
  readonly #parts: CloudFormationStackParts;

  constructor(parts: CloudFormationStackParts) {
    this.#parts = parts;
  }

  /** `undefined` when there is none, or when only changes of one were worked out. */
  async find(): Promise<Stack | undefined> {
    const stack = await this.#read(this.#parts.name);
    return meaningOf(stack?.StackStatus) === "absent" ? undefined : stack;
  }

  async outputs(): Promise<Readonly<Record<string, string>>> {
    const { Outputs = [] } = (await this.find()) ?? {};
    return Object.fromEntries(
      Outputs.map(({ OutputKey = "", OutputValue = "" }) => [OutputKey, OutputValue]),
    );
  }

  /** What the template would change. A stack that never came into being is cleared away first. */
  async plan(
    input: { readonly templateUrl: string; readonly parameters: Readonly<Record<string, string>> },
    onProgress: StackProgress,
  ): Promise<ChangeSet> {
    const { client, clock, name: stackName, prefix } = this.#parts;
    let stack = await this.#settle(onProgress);
    if (stack?.StackStatus === "UPDATE_ROLLBACK_FAILED")
      stack = await this.#finishRollback(stack, onProgress);
    if (stack?.StackStatus === "DELETE_FAILED") {
      throw fault("E_CONFLICT", `The stack ${stackName} is half deleted: ${stack.StackStatusReason}.`, {
        remedy: "Finish that with `rowhouse region delete`, then create the region anew.",
      });
    }
    if (stack && wasNeverCreated(stack.StackStatus)) {
      onProgress(`${stackName}: clearing away what an earlier attempt left`);
      await this.#remove(stack, onProgress);
      stack = undefined;
    }
    if (stack === undefined) await this.#forgetReview(onProgress);
    return createChangeSet(client, clock, { stackName, prefix, isNew: stack === undefined, ...input });
  }

  /** Makes the changes and waits for their end. @throws E_AWS_DEPLOY with what failed first; E_CONFLICT */
  async execute(changeSetId: string, onProgress: StackProgress): Promise<void> {
    const { client, name } = this.#parts;
    const before = await this.#read(name);
    const events = await StackEvents.begin(client, before?.StackId ?? name, { sinceOperation: false });
    try {
      await client.send(
        new ExecuteChangeSetCommand({
          StackName: name,
          ChangeSetName: changeSetId,
          ClientRequestToken: randomUUID(),
        }),
      );
    } catch (error) {
      if (
        !isAwsError(
          error,
          "InvalidChangeSetStatus",
          "InvalidChangeSetStatusException",
          "ChangeSetNotFound",
          "ChangeSetNotFoundException",
        )
      )
        throw error;
      throw fault(
        "E_CONFLICT",
        `The stack ${name} is no longer as it was when the changes were worked out.`,
        {
          cause: error,
          remedy: "Deploy again.",
        },
      );
    }
    const after = await this.#follow(before?.StackId ?? name, events, onProgress);
    if (meaningOf(after?.StackStatus) !== "ready") throw failed(name, after, events);
    await this.#protect(true);
  }

  /** Removes the stack and waits until it is gone. @throws E_AWS_DEPLOY with what could not be deleted */
  async delete(onProgress: StackProgress): Promise<void> {
    const stack = await this.#settle(onProgress);
    if (!stack) return;
    await this.#liftProtection(stack, onProgress);
    await this.#remove(stack, onProgress);
  }

  /** Waits for what is under way, and tells how it goes. */
  async #settle(onProgress: StackProgress): Promise<Stack | undefined> {
    const stack = await this.find();
    if (!stack?.StackId || !stack.StackStatus?.endsWith("_IN_PROGRESS")) return stack;
    onProgress(`${this.#parts.name}: waiting for what is under way`);
    const events = await StackEvents.begin(this.#parts.client, stack.StackId, { sinceOperation: true });
    const after = await this.#follow(stack.StackId, events, onProgress);
    return meaningOf(after?.StackStatus) === "absent" ? undefined : after;
  }

  /** What changes were worked out for earlier, and never made, is an empty stack that is only looked at. */
  async #forgetReview(onProgress: StackProgress): Promise<void> {
    const { client, name } = this.#parts;
    const stack = await this.#read(name);
    if (stack?.StackStatus !== "REVIEW_IN_PROGRESS" || !stack.StackId) return;
    await client.send(new DeleteStackCommand({ StackName: stack.StackId }));
    const events = await StackEvents.begin(client, stack.StackId, { sinceOperation: false });
    await this.#follow(stack.StackId, events, onProgress);
  }

  async #finishRollback(stack: Stack, onProgress: StackProgress): Promise<Stack | undefined> {
    onProgress(`${this.#parts.name}: finishing the rollback of an earlier update`);
    await this.#parts.client.send(new ContinueUpdateRollbackCommand({ StackName: stack.StackId }));
    return this.#settle(onProgress);
  }

  /** By its id, under which it is still found once it is gone. */
  async #remove(stack: Stack, onProgress: StackProgress): Promise<void> {
    const { client, name } = this.#parts;
    const StackName = stack.StackId ?? name;
    await this.#protect(false);
    const events = await StackEvents.begin(client, StackName, { sinceOperation: false });
    await client.send(new DeleteStackCommand({ StackName, ClientRequestToken: randomUUID() }));
    const after = await this.#follow(StackName, events, onProgress);
    if (meaningOf(after?.StackStatus) !== "absent") throw failed(name, after, events);
  }

  async #follow(stackId: string, events: StackEvents, onProgress: StackProgress): Promise<Stack | undefined> {
    const { clock } = this.#parts;
    for (;;) {
      const stack = await this.#read(stackId);
      await events.follow(onProgress);
      if (!stack?.StackStatus?.endsWith("_IN_PROGRESS")) return stack;
      // Not begun yet: CloudFormation is eventually consistent.
      await clock.sleep(pollMilliseconds);
    }
  }

  /** What refuses to be deleted as long as its parameter says so. */
  async #liftProtection(stack: Stack, onProgress: StackProgress): Promise<void> {
    const { client, clock, name, prefix } = this.#parts;
    const { protection } = templateParameters;
    const parameters = stack.Parameters ?? [];
    const found = parameters.find(({ ParameterKey }) => ParameterKey === protection);
    if (found?.ParameterValue !== "on" || stack.StackStatus === "DELETE_FAILED") return;
    const keys = parameters.map(({ ParameterKey = "" }) => ParameterKey);
    const changes = await createChangeSet(client, clock, {
      stackName: name,
      prefix,
      isNew: false,
      templateUrl: undefined,
      parameters: { [protection]: "off" },
      kept: keys.filter((key) => key !== protection),
    });
    onProgress(`${name}: lifting the protection of its databases`);
    if (changes.id !== undefined) await this.execute(changes.id, onProgress);
  }

  async #protect(isOn: boolean): Promise<void> {
    const { client, name, hasTerminationProtection } = this.#parts;
    if (!hasTerminationProtection) return;
    await client.send(
      new UpdateTerminationProtectionCommand({ StackName: name, EnableTerminationProtection: isOn }),
    );
  }

  async #read(nameOrId: string): Promise<Stack | undefined> {
    try {
      const { Stacks } = await this.#parts.client.send(new DescribeStacksCommand({ StackName: nameOrId }));
      return Stacks?.[0];
    } catch (error) {
      if (isAwsError(error, "ValidationError") && error.message.includes("does not exist")) return undefined;
      throw error;
    }
  }
}

/** With the words of the resource that failed first: the stack's own status only says that something did. */
function failed(name: string, stack: Stack | undefined, { failure }: StackEvents): RowhouseError {
  const status = stack?.StackStatus ?? "gone";
  const reason = failure
    ? `${failure.id} (${failure.type}): ${failure.reason.replace(/[.\s]*$/, "")}`
    : (stack?.StackStatusReason ?? "no reason is given").replace(/[.\s]*$/, "");
  return fault("E_AWS_DEPLOY", `The stack ${name} is ${status} because of ${reason}.`);
}
