import { DynamoDBClient } from "@aws-sdk/client-dynamodb";
import { KMSClient } from "@aws-sdk/client-kms";
import { SWFClient } from "@aws-sdk/client-swf";
import { type AwsAccess, createAwsClient } from "../../../src/aws/client.ts";
import { createKeys } from "../../../src/aws/keys.ts";
import { createRegistry } from "../../../src/aws/registry.ts";
import { createWorkflows, type WorkflowsOptions } from "../../../src/aws/workflows.ts";
import { createSystemClock } from "../../../src/node/clock.ts";

/** Where the workflows of a test's region are, as JSON, for a process of its own too. */
export interface WorkflowPlace {
  readonly access: AwsAccess;
  readonly domain: string;
  readonly table: string;
  readonly keyArn: string;
}

/** What an engine at this place is made of. */
export function workflowParts({ access, domain, table, keyArn }: WorkflowPlace) {
  const clock = createSystemClock();
  return {
    client: createAwsClient(SWFClient, access),
    domain,
    name: "eu-test-1",
    registry: createRegistry({ client: createAwsClient(DynamoDBClient, access), table }),
    keys: createKeys({ client: createAwsClient(KMSClient, access), keyArn, clock }),
    clock,
    // The emulator counts from the moment when the task was scheduled, and tasks there wait up to a second.
    heartbeatTimeoutSeconds: 3,
  } satisfies WorkflowsOptions;
}

/** An engine at this place. */
export function openWorkflows(place: WorkflowPlace, options: Partial<WorkflowsOptions> = {}) {
  return createWorkflows({ ...workflowParts(place), ...options });
}
