import {
  type CloudFormationClient,
  paginateDescribeStackEvents,
  type StackEvent,
} from "@aws-sdk/client-cloudformation";
import type { StackProgress } from "../../ports/stacks.ts";

/** Newest first, as CloudFormation gives them, down to and without the event `until`. */
async function eventsSince(
  client: CloudFormationClient,
  stackId: string,
  until: string | undefined,
): Promise<StackEvent[]> {
  const events: StackEvent[] = [];
  for await (const page of paginateDescribeStackEvents({ client }, { StackName: stackId })) {
    for (const event of page.StackEvents ?? []) {
      if (event.EventId === until) return events;
      events.push(event);
    }
  }
  return events;
}

/** What a resource is said to have failed with. */
export interface ResourceFailure {
  readonly id: string;
  readonly type: string;
  readonly reason: string;
}

/** The events of one stack from a moment on, each told once and in its order. */
export class StackEvents {
  readonly #client: CloudFormationClient;
  readonly #stackId: string;
  #last: string | undefined;
  #failure: ResourceFailure | undefined;

  private constructor(client: CloudFormationClient, stackId: string) {
    this.#client = client;
    this.#stackId = stackId;
  }

  /** From now on, or with `sinceOperation` from the beginning of the operation that is under way. */
  static async begin(
    client: CloudFormationClient,
    stackId: string,
    options: { readonly sinceOperation: boolean },
  ): Promise<StackEvents> {
    const events = new StackEvents(client, stackId);
    const known = await eventsSince(client, stackId, undefined);
    const start = options.sinceOperation ? known.findIndex((event) => isStart(event, stackId)) : 0;
    events.#last = known[start < 0 ? known.length : start]?.EventId;
    return events;
  }

  /** The first resource that failed by itself; those that were only given up because of it come later. */
  get failure(): ResourceFailure | undefined {
    return this.#failure;
  }

  /** Tells what has happened since the last call. */
  async follow(onProgress: StackProgress): Promise<void> {
    const fresh = await eventsSince(this.#client, this.#stackId, this.#last);
    this.#last = fresh[0]?.EventId ?? this.#last;
    for (const event of fresh.toReversed()) {
      this.#noteFailure(event);
      onProgress(describeEvent(event));
    }
  }

  #noteFailure({ LogicalResourceId: id = "", ResourceType: type = "", ...event }: StackEvent): void {
    const { ResourceStatus: status = "", ResourceStatusReason: reason = "" } = event;
    if (!status.endsWith("_FAILED") || /^Resource (creation|update) cancelled/i.test(reason)) return;
    this.#failure ??= { id, type, reason: reason || status };
  }
}

function isStart({ PhysicalResourceId, ResourceStatus }: StackEvent, stackId: string): boolean {
  return (
    PhysicalResourceId === stackId && /^(CREATE|UPDATE|IMPORT|DELETE)_IN_PROGRESS$/.test(ResourceStatus ?? "")
  );
}

/** As in `Vpc (AWS::EC2::VPC): create in progress`, with the reason of a failure. */
function describeEvent(event: StackEvent): string {
  const {
    LogicalResourceId: id,
    ResourceType: type,
    ResourceStatus: status = "",
    ResourceStatusReason,
  } = event;
  const words = status.toLowerCase().replaceAll("_", " ");
  const reason = status.endsWith("_FAILED") && ResourceStatusReason ? `: ${ResourceStatusReason}` : "";
  return `${id} (${type}): ${words}${reason}`;
}
