import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";
import type { AwsAccess } from "../../../src/aws/client.ts";

export interface ScriptedEvent {
  readonly id: string;
  readonly type: string;
  readonly status: string;
  readonly reason?: string;
}

interface ScriptedStack {
  readonly id: string;
  status: string;
  isProtected: boolean;
  drift: string;
  readonly events: { readonly eventId: string; readonly xml: string }[];
}

/** What a stack does next: one entry for each time that someone asks how it is. */
export interface ScriptedStep {
  readonly status: string;
  readonly events?: readonly ScriptedEvent[];
}

/**
 * CloudFormation's API as far as it concerns one stack that does what a test wrote down: for failures and drift, which
 * moto does not know. Answers are in the form of the service (AWS query protocol, CloudFormation API Reference).
 */
export class ScriptedCloudFormation {
  readonly calls: string[] = [];
  /** By the action that begins it. */
  readonly script: Partial<Record<"ExecuteChangeSet" | "DeleteStack", ScriptedStep[]>> = {};
  driftsXml = "";
  readonly #server = createServer(async (request, response) => {
    const parameters = new URLSearchParams(await text(request));
    const action = parameters.get("Action") ?? "";
    this.calls.push(action);
    const answer = this.#answer(action, parameters);
    const [status, body] = answer === undefined ? [400, missing] : [200, wrap(action, answer)];
    response.writeHead(status, { "content-type": "text/xml" }).end(body);
  });
  #stack: ScriptedStack | undefined;
  #next: ScriptedStep[] = [];
  #count = 0;

  async listen(): Promise<AwsAccess> {
    await new Promise<void>((resolve) => this.#server.listen(0, "127.0.0.1", resolve));
    const endpoint = `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
    return { region: "eu-west-1", endpoint, credentials: { accessKeyId: "test", secretAccessKey: "test" } };
  }

  close(): void {
    this.#server.close();
    this.#server.closeAllConnections();
  }

  get stack(): Readonly<Pick<ScriptedStack, "status" | "isProtected">> | undefined {
    return this.#stack;
  }

  /** As an earlier process left it, with what is still to come. */
  begin(status: string, next: readonly ScriptedStep[] = []): void {
    this.#stack = this.#newStack(status);
    this.#next = [...next];
  }

  #newStack(status: string): ScriptedStack {
    const id = `arn:aws:cloudformation:eu-west-1:123456789012:stack/shop/${++this.#count}`;
    const stack = { id, status: "", isProtected: false, drift: "NOT_CHECKED", events: [] };
    this.#move(stack, { status });
    return stack;
  }

  #move(stack: ScriptedStack, { status, events = [] }: ScriptedStep): void {
    const own = { id: "shop", type: "AWS::CloudFormation::Stack", status };
    for (const event of [...events, ...(status === stack.status ? [] : [own])]) {
      const eventId = `event-${++this.#count}`;
      const physical = event.type === own.type ? stack.id : "";
      const reason =
        "reason" in event && event.reason
          ? `<ResourceStatusReason>${event.reason}</ResourceStatusReason>`
          : "";
      stack.events.unshift({
        eventId,
        xml: `<member><EventId>${eventId}</EventId><StackId>${stack.id}</StackId><StackName>shop</StackName>
          <LogicalResourceId>${event.id}</LogicalResourceId><PhysicalResourceId>${physical}</PhysicalResourceId>
          <ResourceType>${event.type}</ResourceType><ResourceStatus>${event.status}</ResourceStatus>${reason}</member>`,
      });
    }
    stack.status = status;
  }

  /** `undefined`: there is no such stack. */
  #answer(action: string, parameters: URLSearchParams): string | undefined {
    if (action === "CreateChangeSet") {
      const isNew = parameters.get("ChangeSetType") === "CREATE";
      if (isNew) this.#stack = this.#newStack("REVIEW_IN_PROGRESS");
      return `<Id>arn:change-set</Id><StackId>${this.#stack?.id}</StackId>`;
    }
    if (action === "DescribeChangeSet")
      return `<Status>CREATE_COMPLETE</Status><Changes><member><ResourceChange><Action>Modify</Action>
        <LogicalResourceId>Database</LogicalResourceId><ResourceType>AWS::RDS::DBInstance</ResourceType>
        <Replacement>Conditional</Replacement></ResourceChange></member></Changes>`;
    const stack = this.#stack;
    // One that is gone is still found by its id, but not by its name.
    const isGone = stack?.status === "DELETE_COMPLETE" && parameters.get("StackName") !== stack.id;
    if (!stack || isGone) return undefined;
    if (action === "DescribeStacks") return this.#describe(stack);
    if (action === "DescribeStackEvents")
      return `<StackEvents>${stack.events.map(({ xml }) => xml).join("")}</StackEvents>`;
    if (action === "UpdateTerminationProtection")
      stack.isProtected = parameters.get("EnableTerminationProtection") === "true";
    if (action === "ExecuteChangeSet" || action === "DeleteStack")
      this.#next = [...(this.script[action] ?? [])];
    if (action === "DetectStackDrift") {
      stack.drift = "DRIFTED";
      return "<StackDriftDetectionId>drift-1</StackDriftDetectionId>";
    }
    if (action === "DescribeStackDriftDetectionStatus")
      return "<DetectionStatus>DETECTION_COMPLETE</DetectionStatus>";
    if (action === "DescribeStackResourceDrifts")
      return `<StackResourceDrifts>${this.driftsXml}</StackResourceDrifts>`;
    return "";
  }

  #describe(stack: ScriptedStack): string {
    const step = this.#next.shift();
    if (step) this.#move(stack, step);
    const { id, status, drift } = stack;
    return `<Stacks><member><StackId>${id}</StackId><StackName>shop</StackName><StackStatus>${status}</StackStatus>
      <DriftInformation><StackDriftStatus>${drift}</StackDriftStatus></DriftInformation></member></Stacks>`;
  }
}

const missing = `<ErrorResponse><Error><Type>Sender</Type><Code>ValidationError</Code>
  <Message>Stack with id shop does not exist</Message></Error><RequestId>1</RequestId></ErrorResponse>`;

function wrap(action: string, result: string): string {
  return `<${action}Response><${action}Result>${result}</${action}Result>
    <ResponseMetadata><RequestId>1</RequestId></ResponseMetadata></${action}Response>`;
}
