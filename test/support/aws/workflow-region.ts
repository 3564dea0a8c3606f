import {
  CreateTableCommand,
  DeleteTableCommand,
  DynamoDBClient,
  waitUntilTableExists,
} from "@aws-sdk/client-dynamodb";
import { KMSClient } from "@aws-sdk/client-kms";
import {
  DeprecateDomainCommand,
  paginateListOpenWorkflowExecutions,
  SWFClient,
  TerminateWorkflowExecutionCommand,
} from "@aws-sdk/client-swf";
import { type AwsAccess, createAwsClient } from "../../../src/aws/client.ts";
import { createKeys } from "../../../src/aws/keys.ts";
import { createRegistry } from "../../../src/aws/registry.ts";
import { createWorkflows, type WorkflowsOptions } from "../../../src/aws/workflows.ts";
import { createSystemClock } from "../../../src/embedded/clock.ts";
import { emptyAccount, testPrefix } from "./account.ts";
import { createTestKey } from "./key.ts";

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

/** A region's table and key, and the name of a domain that the first launch makes. */
export async function createWorkflowRegion() {
  const access = await emptyAccount();
  const domain = testPrefix();
  const table = `${domain}-registry`;
  const dynamo = createAwsClient(DynamoDBClient, access);
  await dynamo.send(
    new CreateTableCommand({
      TableName: table,
      BillingMode: "PAY_PER_REQUEST",
      AttributeDefinitions: [
        { AttributeName: "domain", AttributeType: "S" },
        { AttributeName: "name", AttributeType: "S" },
      ],
      KeySchema: [
        { AttributeName: "domain", KeyType: "HASH" },
        { AttributeName: "name", KeyType: "RANGE" },
      ],
    }),
  );
  await waitUntilTableExists({ client: dynamo, maxWaitTime: 60, minDelay: 1 }, { TableName: table });
  const key = await createTestKey(access, domain);
  const place: WorkflowPlace = { access, domain, table, keyArn: key.keyArn };
  const parts = workflowParts(place);
  return {
    place,
    parts,
    /** Another engine at this place, as the next process would have it. */
    open: (options: Partial<WorkflowsOptions> = {}) =>
      createWorkflows({ ...workflowParts(place), ...options }),
    async dispose() {
      await removeDomain(parts.client, domain);
      await dynamo.send(new DeleteTableCommand({ TableName: table }));
      await key.remove();
    },
  };
}

/** A domain can't be deleted: it is emptied, and deprecated. */
async function removeDomain(client: SWFClient, domain: string): Promise<void> {
  const startTimeFilter = { oldestDate: new Date(0) };
  for await (const page of paginateListOpenWorkflowExecutions({ client }, { domain, startTimeFilter })) {
    for (const { execution } of page.executionInfos ?? [])
      await client.send(new TerminateWorkflowExecutionCommand({ domain, workflowId: execution?.workflowId }));
  }
  await client.send(new DeprecateDomainCommand({ name: domain }));
}
