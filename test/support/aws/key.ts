import { CreateKeyCommand, KMSClient, ScheduleKeyDeletionCommand } from "@aws-sdk/client-kms";
import { type AwsAccess, createAwsClient } from "../../../src/aws/client.ts";

/** A symmetric KMS key for tests. `remove` schedules its deletion, at the shortest wait that there is: 7 days. */
export async function createTestKey(
  access: AwsAccess,
  prefix: string,
): Promise<{ readonly client: KMSClient; readonly keyArn: string; remove(): Promise<void> }> {
  const client = createAwsClient(KMSClient, access);
  const { KeyMetadata } = await client.send(
    new CreateKeyCommand({ Description: prefix, Tags: [{ TagKey: "rowhouse:prefix", TagValue: prefix }] }),
  );
  const keyArn = KeyMetadata!.Arn!;
  return {
    client,
    keyArn,
    remove: async () => {
      await client.send(
        new ScheduleKeyDeletionCommand({ KeyId: keyArn.split("/")[1], PendingWindowInDays: 7 }),
      );
    },
  };
}
