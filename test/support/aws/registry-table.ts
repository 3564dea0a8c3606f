import {
  CreateTableCommand,
  DeleteTableCommand,
  DynamoDBClient,
  waitUntilTableExists,
} from "@aws-sdk/client-dynamodb";
import { type AwsAccess, createAwsClient } from "../../../src/aws/client.ts";

/** The registry's table, as a region's stack makes it. */
export async function makeRegistryTable(access: AwsAccess, prefix: string) {
  const client = createAwsClient(DynamoDBClient, access);
  const table = `${prefix}-registry`;
  await client.send(
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
  await waitUntilTableExists({ client, maxWaitTime: 60, minDelay: 1 }, { TableName: table });
  const dispose = async () => void (await client.send(new DeleteTableCommand({ TableName: table })));
  return { client, table, dispose };
}
