import { CreateKeyCommand, KMSClient, ScheduleKeyDeletionCommand } from "@aws-sdk/client-kms";
import { DeleteSecretCommand, SecretsManagerClient } from "@aws-sdk/client-secrets-manager";
import { expect, it } from "vitest";
import { emptyAccount, testPrefix } from "../../test/support/aws/account.ts";
import { createAwsClient } from "./client.ts";
import { secretLogin } from "./control-login.ts";
import { awsNames } from "./resources.ts";

it("keeps a control database's login, and the first one that was written", async () => {
  const access = await emptyAccount();
  const [client, kms] = [createAwsClient(SecretsManagerClient, access), createAwsClient(KMSClient, access)];
  const prefix = testPrefix();
  const { KeyMetadata } = await kms.send(new CreateKeyCommand({}));
  try {
    const store = secretLogin({ client, prefix, database: "rowhouse_region", keyArn: KeyMetadata!.Arn! });
    expect(await store.read()).toBeUndefined();
    await store.write({ user: "rowhouse_region", password: "first" });
    expect(await store.read()).toEqual({ user: "rowhouse_region", password: "first" });
    await expect(store.write({ user: "rowhouse_region", password: "second" })).rejects.toMatchObject({
      name: "ResourceExistsException",
    });
    expect(await store.read()).toEqual({ user: "rowhouse_region", password: "first" });
  } finally {
    const SecretId = awsNames.controlLogin(prefix, "rowhouse_region");
    await client.send(new DeleteSecretCommand({ SecretId, ForceDeleteWithoutRecovery: true }));
    await kms.send(new ScheduleKeyDeletionCommand({ KeyId: KeyMetadata!.KeyId!, PendingWindowInDays: 7 }));
  }
});
